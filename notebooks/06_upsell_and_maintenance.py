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
# # Who would be better off on another plan, and which visits would pay
#
# Two days of trackers on the road, some of their SIMs stolen. Whose use will reach the point from which the next plan costs less, how sure is that, and what
# does the customer save?

# %%
import workbench as wb

lake = wb.roaming_lake(days=2)
found = wb.upsell(lake)
found.frame()

# %% [markdown]
# An offer needs a chance of 70 % and a saving over three periods on the customer's own use. Bills are those of the rating
# kernel; the twin has replayed the same use under both plans, and the two agree to the last digit.

# %%
for index in range(min(3, len(found.offers))):
    print(found.explain(index), end="\n\n")

# %%
found.plot()

# %% [markdown]
# ## At an earlier hour
#
# The same question as it stood at two in the afternoon of the second day, when the rest of the day was a forecast. Chances are
# made of forecasts of the same length that had come true by then; a customer that nobody can foresee yet is *not enough data*.

# %%
from datetime import datetime

early = wb.upsell(lake, at=datetime(2026, 3, 3, 14), replay=False)
early.frame()[["name", "proposed", "chance", "saving"]]

# %%
{state: sum(one.state == state for one in early.standings) for state in ("forecast", "not_enough_data", "no_usage")}

# %% [markdown]
# ## Nobody is sold a stolen SIM's traffic
#
# Use in an open case counts for nothing. What is left out is said.

# %%
{one.name: f"{one.left_out:,} units of {one.meter or one.current} not counted" for one in found.standings if one.left_out}

# %% [markdown]
# ## Visits
#
# Devices that fail, grouped by customer: the price of one planned visit from the catalogue, and what it avoids.

# %%
found.visits()
