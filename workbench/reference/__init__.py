"""The independent rater: standard library only, imports nothing but ``workbench.model``."""
