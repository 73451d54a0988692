"""Freshness and the API's patience while events come in: ``python -m benchmarks.live --rate 20000 --seconds 60``.

One process journals lamps' messages at a steady rate, packed as gateways pack them (``--pack 1``: one event a
message). The node of this process makes records of them; a third asks the API for usage and bill all the while, over
HTTP. Prints one JSON object: events a second, freshness (receipt to record in the lake, and in memory, of the slowest
message of each batch), the API's times, memory, and how loaded the machine was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import uvicorn

from workbench.api.app import api_of
from workbench.api.gate import Gate
from workbench.api.keys import Keys
from workbench.api.metrics import Metrics
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.live.node import LiveNode, Settings
from workbench.mediation.routes import Route, Routes
from workbench.showcase.cast import cast_of, mapping_of, offers, policy
from workbench.showcase.publish import settle_in


def publish(folder: Path, rate: int, pack: int, lamps: int, seconds: float) -> None:
    """Journal ``rate`` events a second, ten times a second, each lamp in turn."""
    begun, number, per_turn = time.perf_counter(), 0, rate // 10
    with Journal(folder / "bench-0") as journal:
        for turn in range(int(seconds * 10)):
            now = time.time_ns()
            ts = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            messages = []
            for at in range(0, per_turn, pack):
                rows = range(number + at, number + min(at + pack, per_turn))
                names = [f"lamp-{row % lamps:06d}" for row in rows]
                if pack == 1:
                    said = f'{{"device_id":"{names[0]}","ts":"{ts}Z","energy_mwh":613,"lux":11,"status":0}}'
                else:
                    times = [f"{ts}{row % 1000:03d}Z" for row in rows]
                    said = json.dumps(
                        {
                            "device_id": names,
                            "ts": times,
                            "energy_mwh": [613] * len(names),
                            "lux": 11,
                            "status": 0,
                        },
                        separators=(",", ":"),
                    )
                messages.append(
                    RawMessage(
                        "main", "bench", "", "streetlights/pack", "application/json", said.encode(), now
                    )
                )
            journal.append(messages)
            number += per_turn
            time.sleep(max(0.0, begun + (turn + 1) / 10 - time.perf_counter()))
        journal.flush()


def asking(port: int, key: str, account: str, device: str, seconds: float, said: Connection) -> None:
    """Ask for usage and bill, about fifty times a second, and say how long each answer took (seconds)."""
    times: list[float] = []
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}
    ) as client:
        paths = (
            f"/v1/accounts/{account}/usage",
            f"/v1/accounts/{account}/bill",
            f"/v1/devices/{device}/usage",
        )
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begun = time.perf_counter()
            answer = client.get(paths[len(times) % 3])
            times.append(time.perf_counter() - begun)
            assert answer.status_code == 200, answer.text
            time.sleep(0.02)
    said.send(times)


def main() -> None:
    """Run it and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=20_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pack", type=int, default=100, help="events in one message")
    parser.add_argument("--lamps", type=int, default=20_000)
    said = parser.parse_args()
    sys.setswitchinterval(0.001)
    folder = Path(tempfile.mkdtemp(prefix="bench-live-"))
    routes = Routes([Route(mapping_of(cast_of("streetlights")), "streetlights/#")])
    node = LiveNode(
        folder / "lake", folder / "journals", routes, policy(), offers([cast_of("streetlights")]),
        ready=lambda lake: settle_in(lake, {"streetlights": said.lamps}), settings=Settings(rate_seconds=0),
    ).start()  # fmt: skip
    keys = Keys()
    key = keys.for_this_process("main", "care")
    server = uvicorn.Server(
        uvicorn.Config(api_of(node, Gate(keys, per_second=1e6), Metrics(node)), port=0, log_level="error")
    )
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    publish(
        folder / "journals", said.lamps * 10, 1000, said.lamps, 0.1
    )  # every lamp once: the plan knows them all
    assert node.settled(300)
    while len(node.standing.names) < said.lamps:
        time.sleep(0.1)
    spawn = multiprocessing.get_context("spawn")
    source = spawn.Process(
        target=publish, args=(folder / "journals", said.rate, said.pack, said.lamps, said.seconds)
    )
    account, device = sorted(node.standing.devices)[0], next(iter(node.standing.names.values()))
    heard, telling = spawn.Pipe(duplex=False)
    asker = spawn.Process(target=asking, args=(port, key, account, device, said.seconds, telling))
    source.start()
    asker.start()
    times: list[float] = heard.recv()
    source.join()
    asker.join()
    node.settled(120)
    answers, figures = sorted(times), node.figures
    print(
        json.dumps(
            {
                "rate": said.rate, "pack": said.pack, "seconds": said.seconds, "events": figures.events,
                "batches": figures.batches, "busy_share": round(figures.busy_seconds / said.seconds, 3),
                "freshness_seconds": {str(q): round(figures.freshness_at(q), 3) for q in (0.5, 0.9, 0.99)},
                "api_ms": {str(q): round(1e3 * answers[int(q * (len(answers) - 1))], 1) for q in (0.5, 0.9, 0.99)},
                "api_questions": len(answers), "rss_mb": Metrics(node).status()["rss_mb"],
                "load_average": os.getloadavg()[0],
            }
        )
    )  # fmt: skip
    server.should_exit = True
    node.stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
