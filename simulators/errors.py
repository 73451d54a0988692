"""Every error the simulators raise on purpose, as one tree.

    SimulatorError
    ├── FleetUnknown      no fleet of that name
    ├── ArgumentBad       a number, date or option that makes no sense
    ├── FaultSpecBad      a fault specification that cannot be read, or does not fit the fleet
    └── TargetBad         the folder to write to cannot be used

The package stands alone, so the tree is its own; its shape (``code``, ``what``, ``where``, ``cure``) is the
one the workbench uses, so that a command line can print either.
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Base of the tree. ``str(error)`` reads: what happened, where, and how to mend it.

    Args:
        what: one sentence that says what is wrong.
        where: the argument, fleet or path it was found at; empty when there is none.
        cure: what to do about it.
        code: overrides the class's stable code with a finer one.
    """

    code = "simulator"

    def __init__(self, what: str, *, where: str = "", cure: str = "", code: str = "") -> None:
        self.what = what
        self.where = where
        self.cure = cure
        if code:
            self.code = code
        super().__init__(what)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"[{self.code}] {self.what}{place}{cure}"

    def as_dict(self) -> dict[str, str]:
        """The same error for a program: keys ``code``, ``what``, ``where``, ``cure``."""
        return {"code": self.code, "what": self.what, "where": self.where, "cure": self.cure}


class FleetUnknown(SimulatorError):
    """No fleet of that name."""

    code = "fleet_unknown"


class ArgumentBad(SimulatorError):
    """A number, date or option that makes no sense."""

    code = "argument_bad"


class FaultSpecBad(SimulatorError):
    """A fault specification that cannot be read, or does not fit the fleet."""

    code = "fault_spec_bad"


class TargetBad(SimulatorError):
    """The folder to write to cannot be used."""

    code = "target_bad"
