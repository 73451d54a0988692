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
# # Compromised SIMs, and the leaks of a SIM estate
#
# A compromised device is not told by its own past but by its company: places nobody else talks to, another handset, hours
# nobody else keeps.

# %%
import workbench as wb

lake = wb.roaming_lake()
found = wb.detect(lake)
found.of("compromised").frame()

# %% [markdown]
# Each aspect is a reason of its own. The first names the case; the others come with it, so that an analyst sees at once
# whether a SIM was stolen (another handset), its device taken over (a rare destination), or it only talks more than usual.

# %%
for index, one in enumerate(found):
    if one.kind == "compromised":
        print(found.explain(index), end="\n\n")

# %% [markdown]
# ## Certain things
#
# Some leaks need no statistics: SIMs that are paid for and never used, use that no price took, charges while suspended,
# a SIM that speaks from a handset it is not locked to.

# %%
estate = found.of("zombie", "used_not_billed", "billed_while_suspended", "imei_lock_breach", "reconnect_storm", "zero_usage")
estate.frame()[["device_id", "kind", "since", "observed", "unit"]].head(10)

# %% [markdown]
# ## How sure?
#
# The chance says how often a healthy peer looks as bad. It means the same for every rule and device, so one threshold
# serves the whole fleet: all rules together may raise one false alert in a thousand device-days.

# %%
strength = found.frame().groupby("kind")["surprise"].agg(["size", "min", "max"])
strength

# %% [markdown]
# ## From suspicion to an action
#
# The queue puts what is dear and likely first. Money at risk is the period priced twice by the price list of the bill: as
# recorded, and without the anomaly.

# %%
queue = wb.queue(lake, found)
print(queue.explain(0))

# %% [markdown]
# Where it is known what was planted, quality can be told; and whether the detectors' inputs are still what they were.

# %%
queue.quality()

# %%
queue.drift().head(6)
