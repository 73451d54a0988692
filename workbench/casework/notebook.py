"""``wb.queue(lake)``: the queue in a notebook, by place in the order instead of by id."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.casework.case import Case
from workbench.casework.desk import Desk
from workbench.casework.evidence import Evidence, evidence
from workbench.casework.quality import Quality, drift, planted
from workbench.insight.detect import Opened
from workbench.insight.finding import Findings
from workbench.lake.lake import Lake
from workbench.model.money import decimal_text


class Queue:
    """What is to do on a lake, best first; ``desk`` is what the command line and the page use too.

    Args:
        who: whose name goes into the history.
    """

    def __init__(self, lake: Lake, desk: Desk, who: str) -> None:
        self.lake, self.desk, self.who = lake, desk, who

    def __len__(self) -> int:
        return len(self.desk.queue())

    def __getitem__(self, place: int) -> Case:
        return self.desk.queue()[place].case

    def frame(self, *, everything: bool = False) -> pd.DataFrame:
        """One row per case."""
        names = [
            "case_id",
            "kind",
            "subject",
            "account_name",
            "chance",
            "at_risk",
            "score",
            "state",
            "assignee",
        ]
        rows = [
            {name: one.as_dict()[name] for name in names} for one in self.desk.queue(everything=everything)
        ]
        frame = pd.DataFrame(rows, columns=names)
        return frame.assign(case_id=frame["case_id"].str[:8])

    def explain(self, place: int) -> str:
        """Why a case is there, what it would take, and what was done about it."""
        one = self.desk.queue()[place]
        case = one.case
        lines = [
            case.sentence,
            f"  {100 * one.chance:.0f} % likely true; {case.about.minutes} minutes to review",
        ]
        lines += [
            f"  {r['rule']}: {r['observed']} {r['unit']}, usual {r['expected']}, peers {r['peers']}"
            for r in case.reasons
        ]
        if case.at_risk is not None:
            lines.append(
                f"  at risk: {decimal_text(case.at_risk)} {case.currency}, priced by {case.priced_by}"
            )
        lines += [
            f"  clears: {case.clears}",
            *(f"  {s.at[:16]} {s.who}: {s.what} {s.words}" for s in case.history),
        ]
        return "\n".join(lines)

    def evidence(self, place: int) -> Evidence:
        """Series, expected band, peers."""
        return evidence(self.lake, self[place])

    def plot(self, place: int) -> Any:
        """The evidence as a chart."""
        from workbench.casework.show import evidence_plot

        return evidence_plot(self.evidence(place))

    def verdict(self, place: int, says: str, why: str = "") -> Case:
        """Decide a case: ``confirmed``, ``benign`` or ``unsure``; the places of the others move up."""
        return self.desk.verdict([self[place].case_id], says, why, who=self.who)[0]

    def quality(self) -> Quality | None:
        """Against what was planted, where that is known."""
        return planted(self.lake, self.desk.cases())

    def drift(self) -> pd.DataFrame:
        """Which inputs of the detectors have moved."""
        rows = [
            {"stream": m.stream, "column": m.column, "psi": round(m.psi, 3), "is": m.words}
            for m in drift(self.lake)
        ]
        return pd.DataFrame(rows, columns=["stream", "column", "psi", "is"])

    def _repr_html_(self) -> str:
        return str(self.frame().to_html(max_rows=15))


def queue(lake: Lake | Opened, findings: Findings | None = None, *, who: str = "notebook") -> Queue:
    """The queue of a lake; detectors run when the lake has moved on since they last did.

    Args:
        lake: a lake, or what ``open_lake`` returned.
        findings: of ``wb.detect``, to save running it again.
    """
    inner = lake if isinstance(lake, Lake) else lake.inner
    desk = Desk.of(inner)
    if findings is not None or desk.looked < inner.state.version:
        desk.look(inner, findings)
    return Queue(inner, desk, who)
