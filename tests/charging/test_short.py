"""The short way and the long way are the same way: same requests, same answers, same state, byte for byte."""

from __future__ import annotations

import random

import pytest

from tests.charging.world import EUR, SECOND, T0, open_node
from workbench.charging import node as node_module
from workbench.charging.messages import Command, Commit, Debit, Reserve, TopUp, encode
from workbench.charging.node import Node
from workbench.charging.snapshot import account_out
from workbench.charging.tariffs import instant


def drive(seed: int) -> tuple[list[bytes], list[object], Node]:
    rng, now = random.Random(seed), T0
    node = open_node("a", "b", balance=EUR // 4, pool="p", low_nano=(100_000_000,))
    node_plain = open_node("c", balance=EUR // 4)
    node.accounts["main", "c"] = node_plain.accounts["main", "c"]
    said = []
    for number in range(250):
        now += rng.randrange(SECOND)
        node.tick(now)
        name, key = rng.choice("aabc"), f"{number}"
        meter, units = rng.choice(
            [("car.data", rng.randrange(1, 300)), ("car.sms", 1), ("car.energy", 777), ("car.call", 61)]
        )
        message: Command
        match rng.randrange(12):
            case 0:
                message = TopUp(
                    account=name,
                    id=key,
                    meter="car.data",
                    units=200,
                    bucket=key,
                    pool="p" if name == "a" else "",
                )
            case 1:
                later = instant(now + rng.randrange(1, 60) * SECOND)
                message = TopUp(
                    account=name,
                    id=key,
                    amount_nano=EUR // 20,
                    bucket=key,
                    expires_at=later,
                    promotional=rng.random() < 0.5,
                )
            case 2:
                message = Reserve(account=name, id=key, meter=meter, units=units, seconds=3)
            case 3:
                message = Commit(account=name, id=key, reservation=rng.randrange(1, 4), used=1)
            case 4:
                message = Debit(account=name, id=key, amount_nano=rng.randrange(1, EUR // 50))
            case _:
                message = Debit(account=name, id=key, meter=meter, units=units, partial=rng.random() < 0.3)
        said.append(node.handle(encode(message), now).answer)
    return said, [account_out(account) for account in node.accounts.values()], node


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_lead_to_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    real = node_module.charged

    def noted(*words: object) -> object:
        found = real(*words)  # type: ignore[arg-type]
        taken.append(found is not None)
        return found

    monkeypatch.setattr(node_module, "charged", noted)
    short = drive(seed)
    assert sum(taken) > 20
    monkeypatch.setattr(node_module, "charged", lambda *words: None)
    long = drive(seed)
    assert short[0] == long[0]
    assert short[1] == long[1]
