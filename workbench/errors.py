"""Every error the workbench raises on purpose, as one tree.

    WorkbenchError
    ├── InputError            what a user gave us cannot be used; nothing was written
    │   ├── FileUnreadable    a file is missing, unreadable, or not what its name says
    │   ├── MappingError      a mapping file is wrong, or does not fit the data it is meant for
    │   ├── PolicyError       an aggregation policy is wrong
    │   ├── CatalogueError    an offer or a catalogue is wrong
    │   ├── PartyError        an account, partner, device, subscription or identity is wrong
    │   ├── ScenarioError     a what-if scenario is wrong, or cannot be tried on this lake
    │   ├── SourceError       a source of messages is described wrongly, or cannot be reached
    │   └── UsageError        a command or function was called with arguments that make no sense
    ├── LakeError             the lake cannot do what was asked
    │   ├── LakeMissing       there is no lake at that path
    │   ├── LakeLocked        another process writes to this lake
    │   ├── LakeReadOnly      a write was asked of a lake opened for reading
    │   ├── SegmentDamaged    a segment's bytes are not the bytes the manifest vouches for
    │   └── ManifestDamaged   the manifest chain is broken
    ├── JournalError          the journal of raw messages cannot do what was asked
    │   ├── JournalLocked     another process writes to this journal
    │   ├── JournalGone       what is to be read was let go: every consumer had said that it has it
    │   └── JournalDamaged    bytes of the journal are not what was written
    ├── RatingError           usage cannot be priced by this plan
    │   └── AmountOverflow    an amount does not fit its integer
    ├── SettlementError       a close, split, invoice or adjustment cannot be made
    │   └── PostingConflict   a posting key was used before with another payload
    ├── ChargingError         a charging node's log or snapshot cannot be gone on with
    ├── CaseworkError         the queue of cases, an offer to a customer or an action cannot be done
    └── VerifyFailed          a proof did not hold; carries the first counter-example

Bad *data* is never raised: a row that cannot become usage is a ``Reject`` (see ``model/usage.py``).
Every error carries a stable ``code`` for programs, one sentence for people, the place, and the cure.
"""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of the tree. ``str(error)`` reads: what happened, where, and how to mend it.

    Args:
        what: one sentence that says what is wrong, in the user's words.
        where: the file, line, column, segment or key it was found at; empty when there is none.
        cure: what to do about it; empty only when nothing can be done.
        code: overrides the class's stable code with a finer one.
    """

    code = "workbench"

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


class InputError(WorkbenchError):
    """What a user gave us cannot be used; nothing was written."""

    code = "input"


class FileUnreadable(InputError):
    """A file is missing, unreadable, or not what its name says."""

    code = "file_unreadable"


class MappingError(InputError):
    """A mapping file is wrong, or does not fit the data it is meant for."""

    code = "mapping"


class PolicyError(InputError):
    """An aggregation policy is wrong."""

    code = "policy"


class CatalogueError(InputError):
    """An offer or a catalogue is wrong."""

    code = "catalogue"


class PartyError(InputError):
    """An account, partner, device, subscription or identity is wrong."""

    code = "party"


class ScenarioError(InputError):
    """A what-if scenario is wrong, or cannot be tried on this lake."""

    code = "scenario"


class SourceError(InputError):
    """A source of messages is described wrongly, or cannot be reached."""

    code = "source"


class UsageError(InputError):
    """A command or function was called with arguments that make no sense."""

    code = "usage"


class LakeError(WorkbenchError):
    """The lake cannot do what was asked."""

    code = "lake"


class LakeMissing(LakeError):
    """There is no lake at that path."""

    code = "lake_missing"


class LakeLocked(LakeError):
    """Another process writes to this lake."""

    code = "lake_locked"


class LakeReadOnly(LakeError):
    """A write was asked of a lake opened for reading."""

    code = "lake_read_only"


class SegmentDamaged(LakeError):
    """A segment's bytes are not the bytes the manifest vouches for."""

    code = "segment_damaged"


class ManifestDamaged(LakeError):
    """The manifest chain is broken."""

    code = "manifest_damaged"


class JournalError(WorkbenchError):
    """The journal of raw messages cannot do what was asked."""

    code = "journal"


class JournalLocked(JournalError):
    """Another process writes to this journal."""

    code = "journal_locked"


class JournalGone(JournalError):
    """What is to be read was let go: every consumer had said that it has it."""

    code = "journal_gone"


class JournalDamaged(JournalError):
    """Bytes of the journal are not what was written."""

    code = "journal_damaged"


class RatingError(WorkbenchError):
    """Usage cannot be priced by this plan."""

    code = "rating"


class AmountOverflow(RatingError):
    """An amount does not fit its integer."""

    code = "amount_overflow"


class SettlementError(WorkbenchError):
    """A close, split, invoice or adjustment cannot be made."""

    code = "settlement"


class PostingConflict(SettlementError):
    """A posting key was used before with another payload."""

    code = "posting_conflict"


class ChargingError(WorkbenchError):
    """A charging node's log or snapshot cannot be gone on with."""

    code = "charging"


class CaseworkError(WorkbenchError):
    """The queue of cases, an offer to a customer or an action cannot be done."""

    code = "casework"


class VerifyFailed(WorkbenchError):
    """A proof did not hold; carries the first counter-example."""

    code = "verify_failed"
