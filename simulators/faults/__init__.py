"""Things that go wrong, with the truth about each in a table of its own."""
