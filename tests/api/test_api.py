"""The API in front of a live node: right figures, nobody else's, page by page, and nothing without a key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.live.conftest import journaled, node_on, raw
from workbench.api.app import api_of
from workbench.api.cursor import Place, read, written
from workbench.api.gate import Gate, routes_of, sealed
from workbench.api.keys import Keys
from workbench.clock import ReplayClock
from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.live.care import bill_of
from workbench.live.node import LiveNode
from workbench.model.money import exact

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def node(place: Path) -> Iterator[LiveNode]:
    journaled(place, raw())
    found = node_on(place, ReplayClock(NOW)).start()
    found.settled(60)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def keys(place: Path, node: LiveNode) -> dict[str, str]:
    kept = Keys(place / "keys.json")
    mine = sorted(node.standing.devices)[0]
    return {
        "care": kept.add("care", "main", "care"),
        "customer": kept.add("customer", "main", "customer", [mine]),
        "operator": kept.add("operator", "main", "operator"),
        "stranger": kept.add("stranger", "other", "care"),
        "expired": kept.add("expired", "main", "care", expires_at=(NOW - timedelta(days=1)).isoformat()),
        "none": "",
        "mine": mine,
        "other": sorted(node.standing.devices)[1],
    }


@pytest.fixture(scope="module")
def client(place: Path, node: LiveNode, keys: dict[str, str]) -> TestClient:
    return TestClient(api_of(node, Gate(Keys(place / "keys.json"), ReplayClock(NOW), per_second=1e6)))


def ask(client: TestClient, keys: dict[str, str], who: str, path: str):
    return client.get(path, headers={"Authorization": f"Bearer {keys[who]}"} if keys[who] else {})


def test_a_bill_so_far_is_the_exact_sum_of_its_lines(
    client: TestClient, keys: dict[str, str], node: LiveNode
) -> None:
    """Every digit arrives: the total is the sum of the lines, and both are what memory holds."""
    for account in node.standing.accounts:
        answer = ask(client, keys, "care", f"/v1/accounts/{account}/bill").json()
        expected = sum((line["nano"] for line in bill_of(node.standing, account)), Fraction(0))
        said = sum((_fraction(total["exact"]) for total in answer["total"]), Fraction(0))
        assert said * 10**9 == expected
        assert sum((_fraction(line["amount"]["exact"]) for line in answer["lines"]), Fraction(0)) == said
        assert answer["fresh"]["received_until"]


def _fraction(text: str) -> Fraction:
    return Fraction(text) if "/" in text else exact(text)


def test_usage_is_what_the_records_say(client: TestClient, keys: dict[str, str], place: Path) -> None:
    """All accounts together used what all records hold."""
    with Lake.open(place / "lake") as lake:
        sums = dict(lake.con.execute(
            f"SELECT d.device_id, sum(r.units) FROM {lake.scan('records', stream='lamps.energy')} r "
            f"JOIN {lake.scan('devices')} d USING (device_key) GROUP BY 1"
        ).fetchall())  # fmt: skip
    for device, units in list(sums.items())[:5]:
        answer = ask(client, keys, "care", f"/v1/devices/{device}/usage").json()
        assert [use["units"] for use in answer["usage"]] == [units]
        assert answer["cost"]


def test_records_page_by_page_are_all_records_once(
    client: TestClient, keys: dict[str, str], node: LiveNode
) -> None:
    """Pages of seven, put together, are the one page of everything; the last says there is no more."""
    path = f"/v1/accounts/{keys['mine']}/records"
    whole = ask(client, keys, "customer", f"{path}?limit=1000").json()
    assert whole["next"] is None
    assert whole["records"]
    found, cursor = [], ""
    while cursor is not None:
        page = ask(client, keys, "customer", f"{path}?limit=7&cursor={cursor}").json()
        found += page["records"]
        cursor = page["next"]
    assert found == whole["records"]
    half = found[len(found) // 2]["window_start"]
    late = ask(client, keys, "customer", f"{path}?limit=1000&since={half}").json()["records"]
    assert late == [record for record in found if record["window_start"] >= half]


MATRIX = {
    "/v1/accounts/{account_id}/usage": {"care": 200, "customer": 200, "operator": 403},
    "/v1/accounts/{account_id}/bill": {"care": 200, "customer": 200, "operator": 403},
    "/v1/accounts/{account_id}/records": {"care": 200, "customer": 200, "operator": 403},
    "/v1/devices/{device_id}/usage": {"care": 200, "customer": 200, "operator": 403},
    "/v1/status": {"care": 200, "customer": 403, "operator": 200},
    "/metrics": {"care": 403, "customer": 403, "operator": 200},
}


def test_the_matrix_speaks_of_every_route(client: TestClient) -> None:
    app: FastAPI = client.app  # type: ignore[assignment]
    paths = {r.path for r in routes_of(app) if r.path.startswith(("/v1", "/metrics"))}
    assert paths == set(MATRIX)


@pytest.mark.parametrize("path", MATRIX)
def test_roles_and_tenants(path: str, client: TestClient, keys: dict[str, str], node: LiveNode) -> None:
    """Every route, every role; another's account or device is not there; no key, a wrong one or an old one is told so."""

    def at(account: str) -> str:
        device = node.standing.names[
            next(k for k in node.standing.devices[account] if k in node.standing.names)
        ]
        return path.format(account_id=account, device_id=device)

    for role, status in MATRIX[path].items():
        assert ask(client, keys, role, at(keys["mine"])).status_code == status
    for who in ("none", "expired"):
        assert ask(client, keys, who, at(keys["mine"])).status_code == 401
    if "{" in path:
        canary = node.standing.accounts[keys["other"]]["name"]
        for who, account in (("customer", keys["other"]), ("stranger", keys["mine"])):
            refused = ask(client, keys, who, at(account))
            assert refused.status_code == 404
            assert canary not in refused.text
        missing = path.format(account_id="nobody", device_id="nothing")
        same = ask(client, keys, "customer", missing)
        assert same.json() == ask(client, keys, "customer", at(keys["other"])).json()


def test_a_route_without_a_role_does_not_start() -> None:
    app = FastAPI()

    @app.get("/v1/everything")
    def everything() -> dict[str, str]:
        return {}

    with pytest.raises(AssertionError, match="declares no role"):
        sealed(app)


def test_too_many_requests_wait_and_wrong_keys_are_locked_out(
    place: Path, node: LiveNode, keys: dict[str, str]
) -> None:
    """S5: a pace by key, with the time to wait; S4: guessing is answered ever more slowly."""
    slow = TestClient(api_of(node, Gate(Keys(place / "keys.json"), ReplayClock(NOW), per_second=2)))
    codes = [ask(slow, keys, "care", "/v1/status").status_code for _ in range(8)]
    assert codes[0] == 200
    assert codes[-1] == 429
    assert ask(slow, keys, "care", "/v1/status").headers["retry-after"] == "1"
    wrong = [slow.get("/v1/status", headers={"Authorization": "Bearer guess"}).status_code for _ in range(25)]
    assert wrong[0] == 401
    assert wrong[-1] == 429


def test_a_key_is_kept_as_its_hash_and_stops_when_it_is_taken_back(place: Path, client: TestClient) -> None:
    kept = Keys(place / "keys.json")
    secret = kept.add("short-lived", "main", "operator")
    assert secret not in (place / "keys.json").read_text()
    assert stat.S_IMODE((place / "keys.json").stat().st_mode) == 0o600
    assert client.get("/v1/status", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    kept.revoke("short-lived")
    assert client.get("/v1/status", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    with pytest.raises(UsageError):
        kept.add("odd", "main", "customer")


@pytest.mark.parametrize("text", ["x", "W10", "%00", "WzEsIm5vIHRpbWUiLCJzIiwxXQ", "e30", "-" * 300])
def test_a_cursor_that_is_none_is_refused(text: str, client: TestClient, keys: dict[str, str]) -> None:
    answer = ask(client, keys, "care", f"/v1/accounts/{keys['mine']}/records?cursor={text}")
    assert answer.status_code == 422


def test_a_cursor_is_read_as_it_was_written() -> None:
    place = Place(datetime(2026, 3, 2, 1, 15), "lamps.energy", 2**62)
    assert read(written(place)) == place


def test_metrics_tell_a_quiet_source_from_one_that_says_zero(
    client: TestClient, keys: dict[str, str], node: LiveNode
) -> None:
    """Two hours after its last message a source is quiet, with the time it has been so."""
    text = ask(client, keys, "operator", "/metrics").text
    assert f"workbench_messages_total {float(node.figures.messages)}" in text
    assert 'workbench_source_quiet{source="lamps"} 1.0' in text
    assert "workbench_freshness_seconds_bucket" in text
    states = {s["source"]: s["state"] for s in ask(client, keys, "care", "/v1/status").json()["sources"]}
    assert states["lamps"] == "quiet"
