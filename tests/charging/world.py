"""A catalogue, a clock and short words for asking a node, shared by the tests of this room."""

from __future__ import annotations

from workbench.charging.messages import Answer, Command, Open, Publish, TopUp, decode_answer, encode
from workbench.charging.node import OPERATOR, Node

T0 = 1_780_315_200_000_000  # 1 June 2026, 12:00 UTC
SECOND = 1_000_000
EUR = 1_000_000_000

CATALOGUE = """
meters:
  - {id: car.data, unit: byte, dimensions: [country]}
  - {id: car.sms, unit: message}
  - {id: car.energy, unit: mWh}
  - {id: car.call, unit: second}
  - {id: car.unlock, unit: unlock}
partners: [{id: operator}]
offers:
  - id: car
    version: 1
    currency: EUR
    effective: 2020-01-01
    charged: node
    prices:
      - id: data
        meter: car.data
        graduated: {per: 100 byte, tiers: [{up_to: 500 byte, amount: 0.02}, {up_to: 900 byte, amount: 0.05}, {amount: 0.01}]}
      - {id: sms, meter: car.sms, per_unit: {amount: 0.05, per: 1 message}}
      - {id: energy, meter: car.energy, per_unit: {amount: 0.00005, per: 1 kWh}}
      - {id: call, meter: car.call, increment: {units: 60 second, per: event}, per_unit: {amount: 0.10, per: 60 second}}
      - {id: navigation, meter: car.unlock, per_unit: {amount: 4.99, per: 1 unlock}}
    split: {rest: operator}
"""


def ask(node: Node, message: Command, now: int = T0) -> Answer:
    """Ask as bytes, be answered as a noun."""
    return decode_answer(node.handle(encode(message), now).answer)


def open_node(*accounts: str, balance: int = 0, **terms: object) -> Node:
    """A node with the catalogue and these accounts, each with a balance in nano."""
    node = Node(("main",))
    assert ask(node, Publish(tenant=OPERATOR, id="catalogue", text=CATALOGUE)).ok
    for name in accounts:
        assert ask(node, Open(account=name, id=f"open {name}", offers=("car",), **terms)).ok  # type: ignore[arg-type]
        if balance:
            assert ask(node, TopUp(account=name, id=f"first money of {name}", amount_nano=balance)).ok
    return node
