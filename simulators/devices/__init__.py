"""One file per fleet."""
