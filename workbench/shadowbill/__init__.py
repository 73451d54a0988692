"""A bill for usage records of one's own, by the production path, beside what the old system billed."""
