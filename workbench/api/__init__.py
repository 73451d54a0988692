"""HTTP for customers, their care and operators: usage and bill so far, records by cursor, health and metrics."""
