"""Proofs on the user's own lake: every promise as a question that can be answered with no, and an example."""
