"""Every promise that can be put to the test on a lake, in the order in which a failure explains the next ones."""

from __future__ import annotations

from workbench.verify import (
    books,
    charges,
    dispositions,
    events,
    files,
    node,
    offers,
    rated,
    registers,
    shares,
)
from workbench.verify.check import Check

CHECKS: tuple[Check, ...] = (
    Check(
        "manifest_chain",
        ("I16", "I46"),
        "Every version of the manifest follows the one before it.",
        files.manifest_chain,
    ),
    Check("segment_bytes", ("I46",), "Every file has the bytes that were written.", files.segment_bytes),
    Check(
        "segment_contents",
        ("I22", "I46"),
        "Every file holds the rows and totals the manifest says, and no money or quantity is a float.",
        files.segment_contents,
    ),
    Check("landed_order", ("I3",), "Landed rows lie in order of device and time.", files.landed_order),
    Check(
        "deliveries_add_up",
        ("I2",),
        "Every delivered row has one disposition: landed, or rejected with a reason.",
        dispositions.deliveries_add_up,
    ),
    Check(
        "landed_rows_told",
        ("I2",),
        "Every landed row is an accepted event, a duplicate, or a conflict in quarantine.",
        dispositions.landed_rows_told,
    ),
    Check(
        "records_again",
        ("I3", "I17"),
        "Every accepted event is in exactly one record, which says what its events say.",
        events.records_again,
    ),
    Check(
        "conflicts_listed",
        ("I3",),
        "Every copy that contradicts its event is in quarantine, and no other.",
        events.conflicts_listed,
    ),
    Check(
        "registers_again",
        ("I11",),
        "Use of a register is what its readings say; resets and rollovers are told apart.",
        registers.registers_again,
    ),
    Check(
        "lines_hold",
        ("I18",),
        "Every charge names a line, and lines are numbered without gap.",
        charges.lines_hold,
    ),
    Check(
        "records_charged",
        ("I17",),
        "Every record is charged once per price, or has exactly one reason why not.",
        charges.records_charged,
    ),
    Check(
        "offers_are_kept",
        ("I28",),
        "Every charge names an offer version, and its text is kept unaltered beside it.",
        offers.offers_are_kept,
    ),
    Check(
        "reference_agrees",
        ("I20",),
        "An independent rater comes to the same charges and lines, exactly.",
        rated.reference_agrees,
    ),
    Check(
        "node_charges",
        ("I21", "I33", "I34"),
        "What charging nodes booked is the sum of what they charged, and is billed once.",
        node.node_charges,
    ),
    Check(
        "lines_are_their_charges",
        ("I18",),
        "Units and exact amount of every invoice line are the sum of its charges.",
        books.lines_are_their_charges,
    ),
    Check(
        "rounded_once", ("I26",), "Money is rounded once per line, half away from zero.", books.rounded_once
    ),
    Check(
        "documents_add_up", ("I27",), "Lines, tax and total of every document add up.", books.documents_add_up
    ),
    Check("one_line_each", ("I36",), "No account is billed twice for the same thing.", books.one_line_each),
    Check(
        "subscriptions_complete",
        ("I36",),
        "Every subscription of a closed period has a line or a reason, and every line a subscription.",
        books.subscriptions_complete,
    ),
    Check(
        "numbers_have_no_gap",
        ("I37",),
        "Invoice numbers run without gap in every series.",
        books.numbers_have_no_gap,
    ),
    Check(
        "statements_sum",
        ("I30",),
        "Partners' shares sum to the unit; statements round once.",
        books.statements_sum,
    ),
    Check(
        "shares_again",
        ("I20", "I30"),
        "Cutting the takings once more gives every partner the same share, exactly.",
        shares.shares_again,
    ),
    Check(
        "closed_rows_unchanged",
        ("I16",),
        "Nothing of a closed period was changed or added.",
        books.closed_rows_unchanged,
    ),
    Check(
        "debits_equal_credits",
        ("I31", "I35"),
        "Every ledger entry has two sides of one currency.",
        books.debits_equal_credits,
    ),
    Check(
        "invoices_are_booked",
        ("I31",),
        "What documents ask for is what the ledger books.",
        books.invoices_are_booked,
    ),
    Check(
        "entries_are_chained",
        ("I32",),
        "Ledger entries follow one another, hash by hash.",
        books.entries_are_chained,
    ),
    Check("keys_are_unique", ("I33",), "No posting key was booked twice.", books.keys_are_unique),
    Check(
        "snapshots_are_sums",
        ("I34",),
        "Every stored balance is the sum of its entries.",
        books.snapshots_are_sums,
    ),
    Check(
        "projection_rows",
        ("I47",),
        "The DuckDB projection holds the rows that the manifest gives.",
        files.projection_rows,
    ),
)
