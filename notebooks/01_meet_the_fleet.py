# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Meet the fleet
#
# Sixty street lamps, made up but plausible, and the same to the byte whenever you ask with the same seed.
# Three lines and you have them:

# %%
import simulators

lamps = simulators.streetlights(devices=60, seed=7, start="2026-03-02")
lamps.inventory().to_pandas()[["device_id", "site", "lat", "lon", "attributes"]].head()

# %% [markdown]
# Each lamp says once a minute how much energy it took since it last spoke. A day of all sixty:

# %%
day = lamps.table().to_pandas()
day.head()

# %% [markdown]
# Energy comes in whole milliwatt-hours. There is no fraction to lose, on the way to the bill or anywhere else.
# The street through the day: bright evenings, a few hours of dimmed light, nothing to do at noon.

# %%
import pandas as pd
import hvplot.pandas  # noqa: F401  gives every DataFrame its .hvplot

street = day.set_index("ts").energy_mwh.resample("15min").sum().rename("energy").to_frame()
street["kW"] = street.energy * 4 / 1e6
street.hvplot.area(
    y="kW", title="Power of sixty lamps", color="#d97706", alpha=0.5, height=280, responsive=True
)

# %% [markdown]
# Where they stand. A larger dot took more energy in this day.

# %%
taken = day.groupby("device_id").energy_mwh.sum().div(1e6).rename("kWh")
places = lamps.inventory().to_pandas().merge(taken, on="device_id")
places.hvplot.points(
    "lon", "lat", c="kWh", s=60, cmap="YlOrBr", hover_cols=["device_id", "site"], height=380, responsive=True
)

# %% [markdown]
# ## Things go wrong
#
# Real fleets stutter: meters stick, radios fall silent, messages come twice, late, or out of order. Any fleet can be
# given faults. What is wrong with which device is written down apart, as the truth that no detector may read.

# %%
faulty = lamps.with_faults("stuck=2,silent=2")
truth = faulty.labels().to_pandas()
truth[["device_id", "kind", "column", "starts_at", "ends_at", "detail"]]

# %% [markdown]
# A stuck sensor holds its last value for hours. Here is what the lamp says of the daylight, and what it says when it is
# well:

# %%
stuck = truth[truth.kind == "stuck"].iloc[0]
told = faulty.table().to_pandas().query("device_id == @stuck.device_id")[["ts", stuck.column]]
told["who"] = "stuck"
well = day.query("device_id == @stuck.device_id")[["ts", stuck.column]].assign(who="well")
pd.concat([told, well]).hvplot.line("ts", stuck.column, by="who", height=280, responsive=True)

# %% [markdown]
# ## Everybody else
#
# Nine fleets live here. They differ in how often they speak, and in how much they have to say.

# %%
rows = []
for name in simulators.REGISTRY:
    fleet = simulators.fleet(name, 5, seed=7, start="2026-03-02")
    rows.append({"fleet": name, "events in a day": fleet.table().num_rows})
pd.DataFrame(rows).set_index("fleet").sort_values("events in a day", ascending=False)

# %% [markdown]
# One message, as it would come over the wire:

# %%
next(iter(lamps.messages()))

# %% [markdown]
# None of them knows a price. That is the next notebook: `02_your_first_bill`.
