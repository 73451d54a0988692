"""How well the methods work on recordings nobody here made: one file per row of the bar, baseline beside ours."""
