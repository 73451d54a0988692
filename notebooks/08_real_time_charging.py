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
# # Charging in real time
#
# A postpaid bill is made afterwards. A prepaid car must be told *now* whether it may go on. Here is a charging node with
# one offer and one car; every answer is on disk before you see it.

# %%
import workbench as wb

node = wb.charging_node()
node.ask("open", account="car-1", offers=["connected-car"])

# %% [markdown]
# ## Refuse, top up, accept
#
# The driver wants navigation for a day, 4.99 EUR. There is no money yet.

# %%
wish = {"account": "car-1", "feature": "navigation", "meter": "cars.navigation", "units": 1, "seconds": 86_400}
node.ask("unlock", **wish)

# %%
node.ask("topup", account="car-1", amount_nano=8_000_000_000)
node.ask("unlock", **wish)

# %% [markdown]
# Asked once more it is open already, and costs nothing.

# %%
node.ask("unlock", **wish)

# %% [markdown]
# ## A session: hold, use, settle
#
# A session holds money before it is spent. The first megabyte costs 0.50 EUR, each later one 0.20: three megabytes hold
# 0.90. The car uses only two, and gets the rest back.

# %%
session = node.ask("reserve", account="car-1", meter="cars.data", units=3_000_000)
session

# %%
node.ask("commit", account="car-1", reservation=session["reservation"], used=2_000_000)

# %% [markdown]
# What if there is not enough? The answer says how much would be affordable: for real, to the byte.

# %%
node.ask("debit", account="car-1", meter="cars.data", units=50_000_000)

# %% [markdown]
# ## The same request twice
#
# Networks lose answers, so callers ask again. The same id gets the same answer, and nothing is charged twice; the same id
# with another content is refused.

# %%
first = node.ask("debit", account="car-1", meter="cars.data", units=1_000, id="message 17")
again = node.ask("debit", account="car-1", meter="cars.data", units=1_000, id="message 17")
first == again, node.ask("debit", account="car-1", meter="cars.data", units=2_000, id="message 17")["code"]

# %% [markdown]
# ## Two thousand cars on a weekday morning
#
# The simulator's cars, each with the money of a pocket. Every message is one debit; owners top up when they are refused.

# %%
import pandas as pd

with wb.car_drive(cars=2_000, rate=400) as drive:
    drive.run(seconds=6)
    figures, left = drive.figures(), drive.balances_cents()
pd.Series(figures).drop("reasons").to_frame("cars")

# %%
import hvplot.pandas  # noqa: F401  gives every DataFrame its .hvplot

euros = pd.DataFrame({"EUR left": [cents / 100 for cents in left]})
euros[euros["EUR left"] < 40].hvplot.hist("EUR left", bins=40, title="What the cars have left", color="#0f766e", height=260)

# %% [markdown]
# `workbench cars` shows the same live, `workbench charge FOLDER --catalog offers.yaml` runs a node of your own.

# %%
node.close()
