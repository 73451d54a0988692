"""``workbench edge``: a gateway that mediates: raw events stay, records travel."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import shell


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.BILL)(edge)


def edge(
    lake: shell.LakeArgument,
    policy: Annotated[
        Path, typer.Option(help="Policy file; the centre's own, so that records are the same.")
    ],
    routes: Annotated[Path, typer.Option(help="Routes file: which mapping reads which topic.")],
    upstream: Annotated[str, typer.Option(help="An HTTP source of the centre: https://host:port.")],
    gateway: Annotated[str, typer.Option(help="This gateway's name.")] = "gateway",
    token_file: Annotated[Path | None, typer.Option(help="A file with the token upstream asks for.")] = None,
    mqtt_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where devices publish; 0 picks one.")
    ] = 1883,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for late events after a window's end.")
    ] = 60,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after so long; 0: when somebody stops it.")] = 0,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Run a gateway: devices publish here, usage is made here by the centre's policy, and only records travel.

    Every window that is over is sent upstream as a record with the fingerprint of its events; the raw events stay in
    this gateway's lake. While the link is down records wait on disk. What arrives is what the centre would have made.
    """
    from workbench.live.edge import Forwarder
    from workbench.live.node import LiveNode, Settings
    from workbench.live.wire import JOURNALS, Wire
    from workbench.mediation.policy import load_policy
    from workbench.mediation.routes import load_routes

    shell.structured_logs()
    token = token_file.read_text().strip() if token_file else ""
    begun = time.monotonic()
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(lake / JOURNALS, port=mqtt_port, tenant=tenant))
        node = LiveNode(lake, lake / JOURNALS, load_routes(routes), load_policy(policy), tenant=tenant,
                        settings=Settings(rate_seconds=0)).start()  # fmt: skip
        stack.callback(node.stop)
        forwarder = stack.enter_context(
            Forwarder(node, lake / "edge", upstream, gateway, token=token, grace_seconds=grace)
        )
        shell.remarks().print(
            f"Devices publish to mqtt://127.0.0.1:{wire.port}; records go to {upstream}. Ctrl+C stops it."
        )
        try:
            while node.healthy and not (seconds and time.monotonic() - begun > seconds):
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        raw = wire.journal.stats().bytes
        found = {
            "lake": str(lake), "messages": node.figures.messages, "raw_bytes": raw, "records_forwarded": forwarder.records,
            "forwarded_bytes": forwarder.bytes, "packs_waiting": forwarder.waiting,
        }  # fmt: skip
    shell.answer(as_json, found, lambda console: shell.show_rows(console, [found]))
