"""Checks on what commands print with ``--json``: the figures the front page promises, to the cent."""

from __future__ import annotations

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

KEYS = (
    "events_delivered", "events_accepted", "duplicates", "rejects", "records", "reduction_percent", "revenue_nano",
    "currency", "shares", "invoices", "verify_ok", "wall_seconds", "peak_rss_mb",
)  # fmt: skip


def city_problems(figures: dict[str, object]) -> list[str]:
    """What a city's figures say that must not be: a key missing, money that does not add up, a proof that failed."""
    problems = [f"key {key} is missing" for key in KEYS if key not in figures]
    if problems:
        return problems
    shares = figures["shares"]
    assert isinstance(shares, dict)
    if sum(int(share) for share in shares.values()) != int(str(figures["revenue_nano"])):
        problems.append(f"shares {shares} do not sum to the revenue {figures['revenue_nano']}")
    if figures["verify_ok"] is not True:
        problems.append("verify did not pass")
    if float(str(figures["reduction_percent"])) < 92:
        problems.append(f"records are reduced by {figures['reduction_percent']} %, less than 92 %")
    if int(str(figures["events_accepted"])) + int(str(figures["duplicates"])) + int(
        str(figures["rejects"])
    ) > int(str(figures["events_delivered"])):
        problems.append("more events were counted than were delivered")
    return problems + exact_problems(figures)


def exact_problems(figures: dict[str, object]) -> list[str]:
    """Street lamps cost 0.10 EUR a day each and 0.00005 EUR per kWh (units are mWh), to the last fraction."""
    if "rent_nano" not in figures:
        return []  # a demo has other offers too
    lamps, days, units = (int(str(figures[key])) for key in ("lamps", "days", "energy_units"))
    rent, energy = lamps * days * 100_000_000, units * Fraction(50_000, 1_000_000)
    problems = []
    if int(str(figures["rent_nano"])) != rent:
        problems.append(f"rent is {figures['rent_nano']} nano-EUR, must be {rent}")
    if Fraction(str(figures["revenue_nano_exact"])) != rent + energy:
        problems.append(f"revenue is {figures['revenue_nano_exact']} nano-EUR, must be {rent + energy}")
    return problems


def main() -> int:
    """``figures.py city FILE`` or ``figures.py seconds N --most M``; exit 1 with the problems when there are any."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["city", "seconds"])
    parser.add_argument("value")
    parser.add_argument("--most", type=int, default=0)
    given = parser.parse_args()
    if given.what == "seconds":
        over = int(given.value) > given.most
        problems = [f"took {given.value} s; {given.most} s is the most"] if over else []
    else:
        text = Path(given.value).read_text()
        print(text.strip())
        problems = city_problems(json.loads(text))
    print("\n".join(problems) or "figures hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
