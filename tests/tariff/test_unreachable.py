"""Rows of a price that nothing reaches: which are found, and how much is looked at before the checker does not look at all."""

from __future__ import annotations

import pytest

from tests.tariff.test_slips import catalogue, rows
from workbench.errors import CatalogueError
from workbench.tariff.catalogue import loads


def refusal(text: str) -> str:
    try:
        loads(text)
    except CatalogueError as error:
        return error.code
    return ""


def names(letter: str, number: int) -> str:
    return ", ".join(f"{letter}{n}" for n in range(number))


@pytest.mark.parametrize(("countries", "nets", "seen"), [(40, 50, True), (23, 87, False)])
def test_two_thousand_combinations_of_values_are_looked_at_and_no_more(
    countries: int, nets: int, seen: bool
) -> None:
    """Two rows that take half of the networks each leave nothing for a third; of 2,001 combinations nobody knows."""
    here = f"country: [{names('C', countries)}]"
    halves = (f"net: [{', '.join(f'N{n}' for n in range(nets) if n % 2 == odd)}]" for odd in (0, 1))
    text = catalogue(
        rows(
            *(f"match: {{{here}, {half}}}" for half in halves),
            f"match: {{{here}, net: [{names('N', nets)}]}}",
            "",
        )
    )
    assert refusal(text) == ("rate_unreachable" if seen else "")


@pytest.mark.parametrize(("number", "seen"), [(200, True), (201, False)])
def test_two_hundred_rows_are_held_against_one_and_no_more(number: int, seen: bool) -> None:
    one_by_one = [f"match: {{country: C{n}}}" for n in range(number)]
    text = catalogue(rows(*one_by_one, f"match: {{country: [{names('C', number)}]}}", ""))
    assert refusal(text) == ("rate_unreachable" if seen else "")


@pytest.mark.parametrize(
    ("number", "same_as", "seen"), [(200, 199, True), (201, 199, True), (201, 200, False)]
)
def test_of_more_rows_the_first_two_hundred_are_held_against_one(
    number: int, same_as: int, seen: bool
) -> None:
    minutes = [
        f"windows: [{{from: '{n // 60:02}:{n % 60:02}', to: '{(n + 1) // 60:02}:{(n + 1) % 60:02}'}}]"
        for n in range(number)
    ]
    held = rows("match: {net: z}", *minutes, minutes[same_as], "")
    assert refusal(catalogue(held)) == ("rate_unreachable" if seen else "")


WEEK = [  # conditions of rows, the last of which can never apply, or may
    (("windows: [{days: mon-fri}]", "windows: [{days: sat-sun}]", "match: {net: a}"), True),
    (("windows: [{days: mon-fri}]", "windows: [{days: sat}]", "match: {net: a}"), False),
    (("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '22:00', to: '05:59'}]", "match: {net: a}"), False),
    (("windows: [{from: '06:00', to: '21:59'}]", "windows: [{from: '22:00', to: '06:00'}]", "match: {net: a}"), False),
    (("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '06:00', to: '22:00'}]"), True),
    (("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '05:59', to: '22:00'}]"), False),
    (("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '06:00', to: '22:01'}]"), False),
    (("windows: [{from: '22:00', to: '06:00'}]", "windows: [{from: '23:00', to: '05:00'}]"), True),
    (("windows: [{from: '22:00', to: '06:00'}]", "windows: [{from: '23:00', to: '07:00'}]"), False),
    (("windows: [{from: '22:00', to: '06:00'}]", "windows: [{from: '00:00', to: '06:00'}]"), True),
    (("windows: [{from: '06:00', to: '12:00'}]", "windows: [{from: '12:00', to: '22:00'}]", "windows: [{from: '06:00', to: '22:00'}]"),
     True),
    # a night of some days begins on them and ends on the next ones
    (("windows: [{from: '22:00', to: '06:00', days: mon}]", "windows: [{from: '22:00', to: '23:00', days: mon}]"), False),
    (("windows: [{days: mon}]", "windows: [{from: '22:00', to: '06:00', days: mon}]"), False),
    (("windows: [{from: '22:00', to: '06:00', days: mon}]", "windows: [{from: '22:00', to: '06:00', days: mon}]"), True),
    # a holiday may be any day
    (("windows: [{holidays: except, calendar: h}]", "match: {net: a}"), False),
    (("windows: [{holidays: only, calendar: h}]", "windows: [{holidays: only, calendar: h}]"), True),
    (("windows: [{days: mon}]", "windows: [{days: mon, holidays: except, calendar: h}]"), False),
    (("windows: [{}]", "windows: [{holidays: only, calendar: h}]"), True),
    # minutes of another zone are other minutes
    (("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '07:00', to: '08:00', zone: Europe/Berlin}]"), False),
    (("windows: [{zone: Europe/Berlin}]", "windows: [{from: '07:00', to: '08:00'}]"), True),
    # of two windows one is left
    (("windows: [{days: mon}]", "windows: [{days: mon}, {days: tue}]"), False),
    (("windows: [{days: mon}]", "windows: [{days: tue}]", "windows: [{days: mon}, {days: tue}]"), True),
    # values and hours together
    (("match: {country: A}, windows: [{days: mon}]", "match: {country: A, net: a}, windows: [{days: mon}]"), True),
    (("match: {country: A}, windows: [{days: mon}]", "match: {net: a}, windows: [{days: mon}]"), False),
    (("match: {country: A}", "windows: [{days: mon}]", "match: {country: [A, B]}, windows: [{days: mon}]"), True),
    (("match: {country: A}", "match: {net: a}", "match: {country: [A, B], net: [a, b]}"), False),
    (("match: {country: A}", "match: {net: a}", "match: {country: [A, B], net: a}"), True),
    (("match: {net: a}", "match: {country: A}", "match: {country: B, net: [b, a]}"), False),
]  # fmt: skip


@pytest.mark.parametrize(("conditions", "unreachable"), WEEK)
def test_a_row_that_nothing_reaches_is_found(conditions: tuple[str, ...], unreachable: bool) -> None:
    text = catalogue(rows(*conditions, "")).replace(
        "partners:", "holidays: [{id: h, dates: [2026-05-01]}]\npartners:"
    )
    assert refusal(text) == ("rate_unreachable" if unreachable else "")
