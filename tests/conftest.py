"""What holds for every test."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the profile ``ci`` draw the same examples whatever was imported before.

    Hypothesis also draws numbers and texts that it finds in the program's modules, in those that happen to be loaded: which
    these are differs with the order of files and with the worker. It has no switch for that, so the collection
    is left empty here; other profiles keep it, as it finds faults.
    """
    if config.getoption("--hypothesis-profile", None) == "ci":
        from hypothesis.internal.conjecture import providers

        providers._get_local_constants = lambda: providers._local_constants  # empty until it is collected
