"""How each kind of trouble is told from health: pure functions over arrays and frames, no lake, no clock, no labels."""
