# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your first bill
#
# An offer is a short text file. What would a thousand kilowatt-hours of street light cost?

# %%
import workbench as wb

wb.price("../datasets/catalog/street-lamps.yaml", "1000 kWh")

# %% [markdown]
# Five cents: the energy is nearly free, the rent of ten cents a lamp and day is the business. Here is the whole offer.

# %%
print(open("../datasets/catalog/street-lamps.yaml").read())

# %% [markdown]
# ## A city, billed
#
# A small city of lamps, meters, chargers, trackers and more: a day of events, with copies, gaps and faults, is
# counted, priced, shared and invoiced. It takes some seconds, and goes when you close the notebook.

# %%
lake = wb.demo_lake()
lake

# %% [markdown]
# The invoices. Amounts are kept as whole billionths of a euro, and reach you as exact `Decimal`s, never floats.

# %%
invoices = lake.sql(
    "SELECT invoice_no, name, i.currency, net_nano, tax_nano, gross_nano "
    "FROM invoices i JOIN accounts USING (account_id) ORDER BY net_nano DESC"
)
for column in ("net", "tax", "gross"):
    invoices[column] = invoices.pop(f"{column}_nano").map(lambda nano: f"{nano.scaleb(-9):,.2f}")
invoices.head(8)

# %% [markdown]
# What earns the money? Floats are welcome in charts: nobody is billed by the length of a bar.

# %%
import hvplot.pandas  # noqa: F401  gives every DataFrame its .hvplot

earned = lake.sql("SELECT offer_id AS offer, sum(net_nano) AS nano FROM invoice_lines GROUP BY 1 ORDER BY 2")
earned["EUR"] = earned.nano.astype(float) / 1e9
earned.hvplot.barh("offer", "EUR", title="Billed by offer", color="#0f766e", height=300, responsive=True)

# %% [markdown]
# Who gets what. Every offer says how its takings are shared, and the shares are the whole, to the last unit.

# %%
shares = lake.sql(
    "SELECT name, offer_id, statement_nano FROM statements JOIN partners USING (partner_id) ORDER BY ALL"
)
shares["EUR"] = shares.statement_nano.astype(float) / 1e9
shares.hvplot.barh(
    "offer_id", "EUR", by="name", stacked=True, title="Shares by offer", height=320, responsive=True
)

# %% [markdown]
# ## From a line to the events
#
# Take the dearest line for energy, and the charges behind it: each is one quarter of an hour of one device.

# %%
charges = lake.charges()
energy = charges[charges.meter == "lamps.energy"].sort_values("amount", ascending=False)
energy[["device_id", "window_start", "units", "amount", "price_denominator"]].head()

# %% [markdown]
# And the events in that quarter of an hour, as they were delivered, copies included. They sum to the charge's units.

# %%
from datetime import timedelta

one = energy.iloc[0]
events = lake.events("lamps.energy", one.window_start, one.window_start + timedelta(minutes=15))
events[events.device_id == one.device_id][["device_id", "ends_at", "received_at", "units"]]

# %% [markdown]
# ## Prove it
#
# `prove` counts again, on your own lake: nothing lost, nothing doubled, every sum and every share.

# %%
wb.prove(lake)
