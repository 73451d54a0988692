"""What settlement and the ledger promise, asked by their own rooms' checks."""

from __future__ import annotations

from collections.abc import Callable

from workbench.lake.lake import Lake
from workbench.ledger import checks as ledger
from workbench.ledger.checks import CheckResult
from workbench.settlement import checks as settlement
from workbench.verify.context import Context
from workbench.verify.report import CounterExample, Outcome

Ask = Callable[[Context], Outcome]


def asked(check: Callable[[Lake], CheckResult]) -> Ask:
    """Another room's check as one of ours."""

    def ask(context: Context) -> Outcome:
        result = check(context.lake)
        return Outcome(dict(result.counts), None if result.ok else CounterExample(result.counter_example))

    return ask


def document(index: int) -> Ask:
    """One of settlement's checks over all documents, by its place in ``document_checks``."""

    def ask(context: Context) -> Outcome:
        every = context.once("documents", lambda: settlement.document_checks(context.lake))
        return asked(lambda _: every[index])(context)

    return ask


debits_equal_credits = asked(ledger.debits_equal_credits)
entries_are_chained = asked(ledger.entries_are_chained)
keys_are_unique = asked(ledger.keys_are_unique)
snapshots_are_sums = asked(ledger.snapshots_are_sums)
closed_rows_unchanged = asked(settlement.closed_rows_unchanged)
lines_are_their_charges = asked(settlement.lines_are_their_charges)
statements_sum = asked(settlement.statements_sum)
invoices_are_booked = asked(settlement.invoices_are_booked)
subscriptions_complete = asked(settlement.subscriptions_complete)
rounded_once, documents_add_up, one_line_each, numbers_have_no_gap = (document(index) for index in range(4))
