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
# # Live, and live again
#
# `workbench live` shows this with a moving page. Here is the same in a few lines: sixty street lamps speak MQTT to the
# workbench itself; every message is on disk before its lamp is told so, and a moment later it is usage.

# %%
import workbench as wb

town = wb.live_town(lamps=60)
town.watch(seconds=6)

# %% [markdown]
# The clock of this town runs two hundred times as fast as yours; nothing else is different from production. What was
# acknowledged, what became of it, and how long that took:

# %%
town.status()

# %% [markdown]
# ## What does an account owe at this moment?
#
# The answer comes from memory and is exact: the same integers that the invoice will be made of.

# %%
town.bills()

# %% [markdown]
# ## Stop, and look at what is left
#
# A lake like any other. Each record says how many events it was made of, and carries their fingerprint.

# %%
lake = town.stop()
lake.records("lamps.energy").head()

# %% [markdown]
# ## The past, played again
#
# Every message goes over the wire once more, at the time it once came, on a faster clock. There is no replay mode: it is
# the same listener, journal and mediation. So the records are the same, to the byte.

# %%
again = wb.replay(lake, speed=2_000)
what = "SELECT count(*) AS records, sum(n_events) AS events, sum(units) AS mWh, sum(fingerprint) AS fingerprints FROM records"
lake.sql(what), again.sql(what)

# %% [markdown]
# Next: let devices of your own publish with `workbench live --routes routes.yaml`, or play a lake's past with
# `workbench replay LAKE --speed 60`.
