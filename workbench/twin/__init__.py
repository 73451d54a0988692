"""The twin: try a tariff on real traffic, on a branch, before customers do. See README.md."""
