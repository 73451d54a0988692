"""The two drivers of the one formula: ``batch`` (one query per partition of records) and ``online`` (one event at a time)."""
