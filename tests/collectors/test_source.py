from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.tree import ROOT
from workbench.collectors.identity import identify_by
from workbench.collectors.kinds import collector_for, kind_of
from workbench.collectors.source import ListenerSource, load_sources
from workbench.errors import SourceError
from workbench.journal.journal import Journal


def test_the_example_shows_every_kind() -> None:
    found = load_sources(ROOT / "examples" / "sources.yaml")
    assert [kind_of(each) for each in found] == [
        "mqtt",
        "listener",
        "http",
        "kafka",
        "pulsar",
        "amqp",
        "files",
    ]
    assert found[0].name == "lamps"


def test_every_kind_has_its_collector(journal: Journal) -> None:
    for source in load_sources(ROOT / "examples" / "sources.yaml"):
        assert collector_for(source, journal).name == source.name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no sources"), ("sources: []", "no sources"), ("sources: {a b: {}}", "no name"), ("a: [", "cannot be read"),
        ("sources: {x: {kind: carrier-pigeon}}", "carrier-pigeon"), ("sources: {x: {kind: kafka}}", "servers"),
        ("sources: {x: {kind: http, prot: 1}}", "prot"), ("sources: {x: {kind: http, port: many}}", "port"),
        ("sources: {x: 5}", "object"), ("sources: {x: {kind: http, identity: payload}}", "no identity"),
        ("sources: {x: {kind: http, identity: 'topic:a/b'}}", "no identity"),
    ],
)  # fmt: skip
def test_a_file_that_says_nonsense_is_refused_at_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    with pytest.raises(SourceError, match=says) as caught:
        load_sources(path)
    assert str(path) in caught.value.where
    assert caught.value.cure


@pytest.mark.parametrize(
    ("said", "topic", "device"),
    [
        ("topic:lamps/{device}/up", "lamps/7/up", "7"), ("topic:lamps/{device}/up", "lamps/7/8/up", ""),
        ("topic:lamps/{device}/up", "lamps//up", ""), ("topic:+/{device}/#", "a/7/b/c", "7"),
        ("topic:{device}", "7", "7"), ("topic:a.b/{device}", "aXb/7", ""), ("none", "lamps/7/up", ""),
        ("client_id", "lamps/7/up", "lamp"),
    ],
)  # fmt: skip
def test_identity(said: str, topic: str, device: str) -> None:
    assert identify_by(said)(topic, {"client_id": "lamp"}) == device


def test_a_wildcard_address_needs_tls_or_a_word(journal: Journal) -> None:
    with pytest.raises(SourceError, match="TLS"):
        collector_for(ListenerSource(name="x", host="::", port=0), journal)
    collector_for(ListenerSource(name="x", host="::", port=0, plain_text_allowed=True), journal)
