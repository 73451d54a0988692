from __future__ import annotations

import time
from decimal import Decimal

from tests.collectors.corpus import GOOD, corpus
from tests.collectors.reading import everything
from tests.contract.wires import OverMqtt
from workbench.collectors.listener import ListenerCollector
from workbench.collectors.source import ListenerSource
from workbench.journal.journal import Journal
from workbench.mediation.formats.jsontext import Problem
from workbench.mediation.payloads import rows_of

TYPES = ("application/json", "", "application/cloudevents+json", "application/senml+json", "application/senml+cbor",
         "application/x-ndjson", "text/csv", "application/x-unknown")  # fmt: skip


class Device(OverMqtt):
    """A device at a listener."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def where(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def source(self) -> ListenerSource:
        return ListenerSource(name="lamps", port=self.port)


def test_three_thousand_malformed_payloads_are_received_and_the_good_one_behind_them_too(
    journal: Journal,
) -> None:
    """Whether a payload is usage is not the wire's to judge: all are kept, byte for byte, under the sender's own name."""
    broken = list(corpus())
    assert len(broken) == 3000
    source = ListenerSource(name="lamps", port=0, identity="topic:+/{device}/up")
    with ListenerCollector(source, journal) as listener:
        device = Device(listener.port)
        device.publish(broken, device="lamp-1")
        begun = time.monotonic()
        device.publish([GOOD % 1], device="lamp-1")
        assert time.monotonic() - begun < 5  # 2 s on a machine of one's own
        assert listener.stats.refused == 0
    found = everything(journal.folder.parent)
    assert [each.payload for each in found] == [*broken, GOOD % 1]
    assert {(each.device, each.tenant) for each in found} == {("lamp-1", "main")}


def test_no_payload_of_the_corpus_stops_a_reader_of_any_content_type() -> None:
    for payload in corpus():
        for kind in TYPES:
            for row in rows_of(payload, kind, Decimal(0)):
                assert isinstance(row, Problem | dict)
                if isinstance(row, Problem):
                    assert row.reason.replace("_", "").isalnum()
                else:
                    assert all("\x00" not in cell for cell in row.values() if cell)
