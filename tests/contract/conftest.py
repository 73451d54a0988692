from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers.broker import BROKERS, Broker
from tests.contract.wires import WIRES, Wire, write_source

_RUNNING: dict[str, Broker] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that takes a ``wire`` runs on all of them; those behind a broker are marked so."""
    if "wire" in metafunc.fixturenames:
        only = next((mark.args for mark in metafunc.definition.iter_markers("wires")), tuple(WIRES))
        params = [
            pytest.param(name, id=name, marks=[pytest.mark.broker] if broker else [])
            for name, (_, broker) in WIRES.items()
            if name in only
        ]
        metafunc.parametrize("wire", params, indirect=True)


def _broker(kind: type[Broker]) -> Broker:
    """One of each kind a test process, started when the first test asks."""
    name = next(name for name, known in BROKERS.items() if known is kind)
    if name not in _RUNNING:
        _RUNNING[name] = kind(Path(tempfile.mkdtemp(prefix=f"{name}-")))
        _RUNNING[name].start()
    return _RUNNING[name]


@pytest.fixture(scope="session", autouse=True)
def _end_brokers() -> Iterator[None]:
    yield
    for broker in _RUNNING.values():
        broker.stop()
    _RUNNING.clear()


@pytest.fixture
def wire(request: pytest.FixtureRequest) -> Wire:
    made, broker = WIRES[request.param]
    return made(_broker(broker) if broker else None)


Work = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def work(tmp_path: Path, wire: Wire) -> Iterator[Work]:
    """``work("0", "before", 3)`` starts a worker in a process of its own and returns when it is ready, or has died."""
    path = write_source(wire.source(), tmp_path / "source.json")
    started: list[subprocess.Popen[str]] = []

    def start(worker: str, *trap: object) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.contract.worker",
            str(path),
            str(tmp_path / "journals"),
            worker,
        ]
        process = subprocess.Popen([*command, *map(str, trap)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n" or trap, "the worker did not start"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
