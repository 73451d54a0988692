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
# # Try an offer before your customers do
#
# The city of the demo pays ten cents a day for each of its lamps. What if it were eleven, and who would notice?

# %%
import workbench as wb

lake = wb.demo_lake()
sim = wb.simulate(lake, wb.Scenario("eleven cents", patches={"lights-on.rent.amount": "0.11"}))
sim

# %% [markdown]
# That was the whole day's real traffic, priced again on a branch of the lake by the same code that bills in production.
# Nothing in production has changed. Amounts are exact; here is who pays more, and the way from today's revenue to
# tomorrow's.

# %%
sim.movers(n=5)

# %%
sim.waterfall()

# %% [markdown]
# ## Many ideas at once
#
# Scenarios share the traffic, so a handful costs little more than one. A scenario can change any number of any offer, let
# the fleet grow, let use react to the bill, and say who takes the new price.

# %%
ideas = [
    wb.Scenario("rent +5 %", patches={"lights-on.rent.amount": "+5 %"}),
    wb.Scenario("rent +5 %, a tenth more lamps", patches={"lights-on.rent.amount": "+5 %"}, growth={"devices": "1.1"}),
    wb.Scenario("first 5 kWh free", patches={"kitchen-current.energy.allowance": "5 kWh"}),
    wb.Scenario("dearer heartbeats, fewer of them", patches={"pulse.heartbeat.amount": "+20 %"}, reaction=("-0.5", "-0.3", "-0.1")),
    wb.Scenario("an offer that is not there", patches={"lights-off.rent.amount": "1"}),
]
several = wb.simulate(lake, ideas)
several.compare()

# %% [markdown]
# The last one could not be tried and says why; the others went on. And the differences are no estimates: split by rule,
# customer, device and record they add up to the last billionth of a cent.

# %%
wb.assert_reconciles(several)
several.contributions("first 5 kWh free", by=("rule", "account", "device")).head()

# %% [markdown]
# Why did that bill move? The same use, under both prices, side by side.

# %%
several.trace("first 5 kWh free")

# %% [markdown]
# A picture for the meeting.

# %%
several.plot("rent +5 %, a tenth more lamps")

# %% [markdown]
# ## Sliders
#
# A bill is the cost of what a counter holds, so records need to be read only once. After that, a price for a whole city
# is answered while you drag.

# %%
board = wb.Board.of(lake)
prices = ["0.09", "0.10", "0.11", "0.12", "0.13"]
revenue = {price: board.price({"lights-on.rent.amount": price}).totals["EUR"][1] for price in prices}
{price: f"{float(euros):.2f} EUR" for price, euros in revenue.items()}

# %% [markdown]
# ## Through the gate
#
# A new version of an offer goes out when it has passed the gate: no bill up more than 15 %, revenue at least equal, every
# bill explained, the checker content. Here is a second version of the lamps' price list.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

folder = TemporaryDirectory()
candidate = Path(folder.name) / "lamps.yaml"
candidate.write_text("""
meters: [{id: lamps.energy, unit: mWh}]
partners: [{id: operator}, {id: lamp-supplier}]
offers:
  - id: lights-on
    version: 2
    title: Lights On
    currency: EUR
    effective: 2026-05-01
    zone: UTC
    prices:
      - {id: energy, title: Energy, meter: lamps.energy, per_unit: {amount: 0.00006, per: 1 kWh}}
    fees:
      - {id: rent, title: Lamp rent, amount: 0.105, every: day, per: device}
    taxes: [{category: standard, rate: 19 %}]
    split: {rules: [{partner: operator, percent: 70 %}, {partner: lamp-supplier, percent: 30 %}]}
""")
verdict = wb.gate(lake, candidate)
verdict

# %% [markdown]
# `workbench twin gate` does the same from the shell, writes a report that can be mailed, and signs the verdict;
# `workbench catalog publish` asks for it. What would fail?

# %%
candidate.write_text(candidate.read_text().replace("0.105", "0.12"))
wb.gate(lake, candidate)
