"""The parts of the analyst page: what it knows, what it draws, and the keys."""
