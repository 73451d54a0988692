"""The parts of the sales page: a period played again, and what is drawn of it."""
