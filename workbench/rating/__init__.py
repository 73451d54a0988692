"""The two drivers of the one formula: ``batch`` (a query per partition) and ``online`` (one event at a time)."""
