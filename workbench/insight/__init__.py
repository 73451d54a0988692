"""Insight: what is wrong with a device, why it is thought so, what money is at stake, and how well that works."""
