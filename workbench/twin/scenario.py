"""A scenario: what would be different. Frozen nouns; ``scenario_file.py`` reads them from YAML.

    Scenario("dearer energy", patches={"lights-on.energy.amount": "0.00006"})
    Scenario("more lamps", growth={"devices": "1.1"}, reaction=("-0.3", "-0.1", "0"))

A scenario changes prices (``patches``, ``catalogue``, ``moves``), chooses traffic (``who``), lets it grow (``growth``) and
react (``reaction``), and says who takes the new price (``migration``). Numbers are exact: text or ``Fraction``, never
floats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from workbench.errors import ScenarioError
from workbench.model.money import exact
from workbench.model.offer import Catalogue

MIGRATIONS = ("everyone", "opt_in", "new_customers")
"""Who takes the candidate: everyone; accounts whose bill falls; accounts that are new in the period."""

_NAME_MAX = 120


@dataclass(frozen=True, slots=True)
class Who:
    """Accounts and devices by pattern (``city-*``); an empty field chooses all.

    Attributes:
        accounts, devices, kinds, offers: shell patterns over account ids, device ids, device kinds, subscribed offers.
    """

    accounts: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            object.__setattr__(self, each.name, (value,) if isinstance(value, str) else tuple(value))

    @property
    def everybody(self) -> bool:
        """Whether nothing is left out."""
        return not (self.accounts or self.devices or self.kinds or self.offers)


@dataclass(frozen=True, slots=True)
class Growth:
    """How a segment of the fleet grows: factors, 1 for no change.

    Attributes:
        who: the segment.
        usage: each device's use times this, rounded down per device (so that the grid of records does not matter).
        devices: more (or fewer) devices on the accounts that are there.
        customers: more accounts, each with as many devices as the one it is like.
    """

    who: Who = Who()
    usage: Fraction = Fraction(1)
    devices: Fraction = Fraction(1)
    customers: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        for name in ("usage", "devices", "customers"):
            number = _number(getattr(self, name), f"growth {name}")
            if not 0 <= number <= 1000:
                raise ScenarioError(
                    f"Growth of {name} by a factor of {number} is not possible.",
                    where=f"growth.{name}",
                    cure="Write a factor from 0 to 1000; 1.1 is ten percent more.",
                    code="scenario_growth",
                )
            object.__setattr__(self, name, number)


@dataclass(frozen=True, slots=True)
class Reaction:
    """How use answers to the bill: when an account's bill rises by 1 %, its use changes by ``mid`` %.

    ``low`` and ``high`` are the range it may lie in; all are zero or below, because dearer use is less use.
    """

    low: Fraction
    mid: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        for name in ("low", "mid", "high"):
            object.__setattr__(self, name, _number(getattr(self, name), f"elasticity {name}"))
        if max(self.low, self.mid, self.high) > 0:
            raise ScenarioError(
                "An elasticity above zero says that people use more when it gets dearer.",
                where="reaction.elasticity",
                cure="Write it with a minus: -0.3.",
                code="elasticity_sign",
            )
        if not self.low <= self.mid <= self.high:
            raise ScenarioError(
                "The elasticity's range does not contain its middle.",
                where="reaction.elasticity",
                cure="Write low, mid and high in rising order: {low: -0.5, mid: -0.3, high: -0.1}.",
                code="elasticity_range",
            )


@dataclass(frozen=True, slots=True)
class Patch:
    """One change to an offer in force: ``offer.path`` and the new value as text (``0.00006``, ``+10 %``, ``2 GB``)."""

    offer: str
    path: str
    value: str
    where: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """As it is written: ``offer.path``."""
        return f"{self.offer}.{self.path}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One what-if; see the module's docstring.

    Attributes:
        name: what tables and charts call it; no two scenarios of a run share one.
        patches: changes to offers in force; from Python also a mapping ``{"offer.path": value}``.
        catalogue: a whole candidate catalogue (or its path) instead of, or beneath, the patches: each offer's newest
            version is taken as if it had been in force throughout the period.
        moves: subscriptions of offer ``old`` go to offer ``new``: (old, new) pairs.
        who: whose traffic is looked at.
        period: ``start/end`` as the lake names periods; empty for the newest rated one.
        reaction: None when use does not answer to the price.
        migration: one of ``MIGRATIONS``.
        seed: chooses which devices are cloned when the fleet grows.
    """

    name: str
    patches: tuple[Patch, ...] = ()
    catalogue: Catalogue | str | Path | None = None
    moves: tuple[tuple[str, str], ...] = ()
    who: Who = Who()
    period: str = ""
    growth: tuple[Growth, ...] = ()
    reaction: Reaction | None = None
    migration: str = "everyone"
    seed: int = 7
    title: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _NAME_MAX:
            raise ScenarioError(
                "A scenario needs a name of at most 120 characters.", where="name", code="scenario_name",
                cure="Name it after what changes.",
            )  # fmt: skip
        object.__setattr__(self, "patches", _patches(self.patches))
        if isinstance(self.moves, Mapping):
            object.__setattr__(self, "moves", tuple((str(old), str(new)) for old, new in self.moves.items()))
        if isinstance(self.who, Mapping):
            object.__setattr__(self, "who", Who(**self.who))
        object.__setattr__(self, "growth", _growths(self.growth))
        object.__setattr__(self, "reaction", _reaction(self.reaction))
        if self.migration not in MIGRATIONS:
            raise ScenarioError(
                f"The migration rule {self.migration[:40]!r} is not known.",
                where=self.name,
                cure=f"Choose from {', '.join(MIGRATIONS)}.",
                code="scenario_migration",
            )

    @property
    def traffic(self) -> tuple[Any, ...]:
        """What tells one traffic from another; scenarios that share it share its records."""
        return (self.who, self.period, self.growth, self.seed)


def _growths(given: Any) -> tuple[Growth, ...]:
    """From Python also a mapping ``{"segment": {"offers": "lights-on"}, "usage": "1.1"}``, or several."""
    found = []
    for item in (given,) if isinstance(given, Growth | Mapping) else given:
        if isinstance(item, Mapping):
            rest = {name: value for name, value in item.items() if name != "segment"}
            item = Growth(Who(**item.get("segment", {})), **rest)
        found.append(item)
    return tuple(found)


def _reaction(given: Any) -> Reaction | None:
    """From Python also one elasticity, or three as a range: ``"-0.3"``, ``("-0.5", "-0.3", "-0.1")``."""
    if given is None or isinstance(given, Reaction):
        return given
    parts = (given, given, given) if isinstance(given, str | int | Fraction) else tuple(given)
    if len(parts) != 3:
        raise ScenarioError(
            "An elasticity is one number, or low, mid and high.", where="reaction", code="elasticity_range",
            cure='Write "-0.3" or ("-0.5", "-0.3", "-0.1").',
        )  # fmt: skip
    return Reaction(*parts)


def _patches(given: Any) -> tuple[Patch, ...]:
    if not isinstance(given, Mapping):
        return tuple(given)
    return tuple(patch(str(name), value) for name, value in given.items())


def patch(name: str, value: Any, where: str = "") -> Patch:
    """A patch from its written form ``offer.path`` and a value.

    Raises:
        ScenarioError: ``patch_value`` for a float, whose text is not what was meant; ``patch_path``.
    """
    offer, dot, path = name.partition(".")
    if not dot or not re.fullmatch(r"[\w.\-]+", path):
        raise ScenarioError(
            f"{name[:80]!r} does not name a part of an offer.",
            where=where or name,
            cure="Write offer.part.field, for example lights-on.energy.amount.",
            code="patch_path",
        )
    if isinstance(value, float) or not isinstance(value, str | int | Fraction):
        raise ScenarioError(
            f"The new value of {name} is {value!r}, which is not exact.",
            where=where or name,
            cure='Write it as text: "0.00006".',
            code="patch_value",
        )
    return Patch(offer, path, value if isinstance(value, str) else str(value), where)


def _number(value: Any, what: str) -> Fraction:
    if isinstance(value, Fraction | int) and not isinstance(value, bool):
        return Fraction(value)
    try:
        if isinstance(value, str):
            return exact(value)
    except ValueError:
        pass
    raise ScenarioError(
        f"The number for {what} is {str(value)[:40]!r}, which is not exact decimal text.",
        where=what,
        cure='Write it as text: "1.1".',
        code="scenario_number",
    )
