"""The real-time charging node: accounts in memory, a durable log, one answer per request, also at the edge."""
