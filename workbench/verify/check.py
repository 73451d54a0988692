"""What a check is: a name, the promises it proves, a sentence, and a question to the lake."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.verify.context import Context
from workbench.verify.report import EMPTY, FAILS, HOLDS, CounterExample, Outcome, Result


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and how to put it to the test.

    Attributes:
        name: stable, snake_case; what ``--only`` and the JSON report say.
        invariants: ids of the promises it proves.
        sentence: what holds when it holds.
        ask: looks, and answers with counts and the first offender.
    """

    name: str
    invariants: tuple[str, ...]
    sentence: str
    ask: Callable[[Context], Outcome]

    def answer(self, context: Context) -> Result:
        """Run the check. A lake that cannot be read far enough to check a promise does not hold it."""
        begun = time.perf_counter()
        try:
            outcome = self.ask(context)
        except WorkbenchError as error:
            outcome = Outcome({}, CounterExample(error.what, segment=error.where))
        verdict = FAILS if outcome.wrong else HOLDS if any(outcome.counts.values()) else EMPTY
        seconds = time.perf_counter() - begun
        return Result(
            self.name, self.invariants, self.sentence, verdict, outcome.counts, outcome.wrong, seconds
        )
