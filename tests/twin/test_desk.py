"""Plans compiled on one desk, one after the other, are the plans that are compiled alone."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.rating.worlds import World, worlds
from tests.twin.small import PERIOD, make
from workbench.billing import plan_of
from workbench.errors import AmountOverflow
from workbench.lake.lake import Lake
from workbench.mediation.work import cursor_of
from workbench.model.offer import Catalogue
from workbench.tariff.desk import Desk
from workbench.tariff.plan import Plan
from workbench.twin import stage


def planned(lake: Lake, catalogue: Catalogue, desk: Desk | None = None) -> Plan | str:
    """The plan, or the sentence that refuses it: a price drawn at random may need more than 64 bits."""
    try:
        return plan_of(lake, catalogue, PERIOD, desk=desk)
    except AmountOverflow as error:
        return str(error)


def same(one: Plan | str, other: Plan | str) -> bool:
    """Whether two plans are equal in every table, or refused alike."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.sha256 == other.sha256 and all(one.tables[n].equals(other.tables[n]) for n in one.tables)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=worlds(), second=worlds())
def test_what_a_desk_keeps_is_what_would_be_worked_out_anew(
    tmp_path_factory, first: World, second: World
) -> None:
    path: Path = tmp_path_factory.mktemp("desk") / "lake"
    make(path, first)
    with Lake.open(path) as lake, lake.writer(), cursor_of(lake) as con, Desk(con) as desk:
        for catalogue in (
            first.catalogue,
            second.catalogue,
            first.catalogue,
        ):  # other terms for the same parties
            assert same(planned(lake, catalogue, desk), planned(lake, catalogue))
        fewer = f"SELECT * FROM {lake.scan('subscriptions')} WHERE device_id <> 'd1'"
        stage.put_back(
            lake, "subscriptions", [lake.write("subscriptions", fewer)]
        )  # other parties, the same terms
        assert same(planned(lake, first.catalogue, desk), planned(lake, first.catalogue))
