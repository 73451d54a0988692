"""Tests mirror the rooms of the workbench; `tests/house` looks after the house itself."""
