"""Double entry: every movement of money once, with two sides, in an order that cannot be rewritten."""
