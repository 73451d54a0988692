"""Style is a test: small checkers that read the tree, each with its own test that it catches a planted offender."""
