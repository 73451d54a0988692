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
# # Stuck sensors, silent lamps, meters that count twice
#
# A small city in which some things go wrong. Who is wrong, how do we know, and what does it cost?

# %%
import workbench as wb

lake = wb.demo_lake()
found = wb.detect(lake)
found.frame().head(10)

# %% [markdown]
# ## Why?
#
# Every finding says what was seen, what is usual for this device and for its peers, what would clear it, and the money that
# hangs on it: the use of the episode priced as delivered and without the anomaly, by the price list of the bill itself.

# %%
print(found.explain(0))

# %% [markdown]
# ## The evidence
#
# The query in a finding is plain SQL over the lake's tables.

# %%
stuck = found.of("stuck", "sentinel", "spike", "drift")
evidence = lake.sql(stuck[0].query) if len(stuck) else lake.sql(found[0].query)
evidence.tail(8)

# %%
import hvplot.pandas  # noqa: F401  gives every DataFrame its .hvplot

column = stuck[0].reasons[0].column if len(stuck) else ""
chart = (
    evidence.hvplot.scatter("ends_at", column, size=6, color="#0f766e", height=280, responsive=True, title=stuck[0].sentence())
    if column in evidence
    else None
)
chart

# %% [markdown]
# ## What goes wrong, and how often
#
# Silences of one group at the same time are one outage, not many. Devices seen too little are *learning*: they get no score.

# %%
counts = found.frame().groupby(["stream", "kind"]).size().unstack(fill_value=0)
counts

# %%
{stream: f"{count} judged, {len(found.learning[stream])} learning" for stream, count in found.judged.items()}

# %% [markdown]
# ## The queue
#
# Findings become cases, in the order in which they are worth an analyst's time: chance times money or risk at stake, by
# minutes to review. A verdict moves what is left at once, and everything is kept with who and when.

# %%
queue = wb.queue(lake, found)
queue.frame().head(8)

# %%
queue.plot(0)

# %%
decided = queue.verdict(0, "confirmed", "the lamp was behind a scaffold")
queue.desk.case(decided.case_id).history[-1]
