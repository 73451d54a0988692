"""compose.yaml, examples/sources.yaml and the brokers of the tests speak of the same ports, versions and settings."""

from __future__ import annotations

import re

import yaml

from tests.brokers.jars import POM
from tests.house.tree import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SOURCES = yaml.safe_load((ROOT / "examples" / "sources.yaml").read_text())["sources"]


def test_every_image_is_pinned_and_no_port_is_open_to_others() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.search(r":\d+\.\d+\.\d+$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert service["volumes"], name


def test_the_example_sources_find_the_composed_brokers() -> None:
    ports = {port.split(":")[1] for service in COMPOSE["services"].values() for port in service["ports"]}
    for kind, key in (("lamps", "url"), ("sessions", "servers"), ("meters", "url"), ("trackers", "url")):
        found = re.search(r":(\d+)(?:/|$)", SOURCES[kind][key].split("@")[-1].removeprefix("mqtt://"))
        assert found is not None and found[1] in ports, kind


def test_what_is_composed_is_what_is_tested() -> None:
    pom = POM.read_text()
    for image in ("kafka", "pulsar"):
        assert f"<version>{COMPOSE['services'][image]['image'].split(':')[1]}</version>" in pom
    assert "autosave_on_changes true" in COMPOSE["configs"]["mosquitto"]["content"]
