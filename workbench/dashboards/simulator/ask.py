"""What a person asks the simulator: everything the URL says, and the scenario it comes to. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

from workbench.errors import UsageError
from workbench.model.money import decimal_text, exact
from workbench.model.offer import Catalogue
from workbench.twin.scenario import MIGRATIONS, Growth, Reaction, Scenario, Who

NAME = "candidate"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question, as text: it is the page's URL.

    Attributes:
        draft: key of a draft kept by the Studio; empty: prices as they are, moved by ``moved`` alone.
        replaces: the offer whose customers get the draft, when that is another one.
        accounts: pattern over account ids. usage: factor on everybody's use. elasticity: one number, 0 or below.
        moved: ``path=value;path=value``: the sliders that stand elsewhere than in production.
    """

    draft: str = ""
    replaces: str = ""
    accounts: str = ""
    usage: str = "1"
    elasticity: str = ""
    migration: str = "everyone"
    moved: str = ""

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Ask:
        """From a URL's query; what it does not know is left out, what makes no sense is as if it were not said."""
        known = {each.name: str(said[each.name])[:2000] for each in fields(cls) if said.get(each.name)}
        if known.get("migration") not in MIGRATIONS:
            known.pop("migration", None)
        return cls(**known)

    @property
    def patches(self) -> dict[str, str]:
        """The sliders' numbers by path."""
        pairs = (part.partition("=") for part in self.moved.split(";") if "=" in part)
        return {path.strip(): value.strip() for path, _, value in pairs}

    def moving(self, patches: Mapping[str, str]) -> Ask:
        """The same question with the sliders elsewhere."""
        return dataclasses.replace(
            self, moved=";".join(f"{path}={patches[path]}" for path in sorted(patches))
        )


def scenario(ask: Ask, candidate: Catalogue | None, offer_id: str = "") -> Scenario:
    """The question as a scenario.

    Args:
        candidate: production with the draft in it; None when only sliders moved.
        offer_id: the draft's offer.

    Raises:
        UsageError: ``nothing_asked``: nothing would be different.
        ScenarioError: a number or a pattern makes no sense.
    """
    usage = number(ask.usage, "usage")
    if candidate is None and not ask.patches and usage == 1:
        raise UsageError(
            "Nothing would be different yet.",
            where="simulator",
            code="nothing_asked",
            cure="Choose a draft, move a slider, or let use grow.",
        )
    who = (ask.accounts,) if ask.accounts else ()
    moves = ((ask.replaces, offer_id),) if candidate and ask.replaces and ask.replaces != offer_id else ()
    return Scenario(
        NAME,
        patches=ask.patches,  # type: ignore[arg-type]
        catalogue=candidate,
        moves=moves,
        who=Who(accounts=who),
        growth=(Growth(usage=usage),) if usage != 1 else (),
        reaction=Reaction(*[number(ask.elasticity, "elasticity")] * 3) if ask.elasticity else None,
        migration=ask.migration,
    )


def number(text: str, what: str) -> Fraction:
    """A number as a person types it, with a point or a comma.

    Raises:
        UsageError: it is none.
    """
    try:
        return exact(text.strip().replace(",", ".") or "1")
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no number for {what}.", where=what, code="number", cure="Write it like 1.1."
        ) from None


def scaled(value: str, percent: int, *, whole: bool) -> str:
    """A slider's number at so many percent of what it is; whole units are rounded down.

    >>> scaled("0.0004", 150, whole=False), scaled("1001", 50, whole=True)
    ('0.0006', '500')
    """
    found = exact(value) * percent / 100
    return str(found.numerator // found.denominator) if whole else decimal_text(found)
