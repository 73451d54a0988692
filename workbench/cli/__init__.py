"""Commands: Typer for the words, Rich for the looks. Nothing is decided here that a notebook could not do too."""
