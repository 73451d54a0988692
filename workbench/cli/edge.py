"""``workbench edge``: a gateway that mediates: raw events stay, records travel."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.trace import naive


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.BILL)(edge)
    app.command("edge-fetch", rich_help_panel=shell.LOOK)(fetch)


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
    serve: Annotated[
        str,
        typer.Option("--serve", metavar="HOST:PORT", help="Hand raw events out there: workbench edge-fetch."),
    ] = "",
    serve_token: Annotated[
        Path | None, typer.Option("--serve-token", help="A file with the token that callers must say.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM certificate of --serve.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM key of --serve.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after so long; 0: when somebody stops it.")] = 0,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Run a gateway: devices publish here, usage is made here by the centre's policy, and only records travel.

    Every window that is over is sent upstream as a record with the fingerprint of its events; the raw events stay in
    this gateway's lake. While the link is down records wait on disk. What arrives is what the centre would have made.
    """
    from workbench.api.raw import RawServer
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
        raw_port = 0
        if serve:
            host, _, port = serve.rpartition(":")
            said = serve_token.read_text().strip() if serve_token else ""
            server = RawServer(
                lake,
                tenant,
                host or "127.0.0.1",
                int(port or 0),
                said,
                str(certificate or ""),
                str(key or ""),
            )
            raw_port = stack.enter_context(server).port
            shell.remarks().print(f"Raw events are handed out on port {raw_port}.")
        shell.remarks().print(
            f"Devices publish to mqtt://127.0.0.1:{wire.port}; records go to {upstream}. Ctrl+C stops it."
        )
        try:
            while node.healthy and not (seconds and time.monotonic() - begun > seconds):
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        if node.failed is not None:
            raise node.failed
        raw = wire.journal.stats().bytes
        found = {
            "lake": str(lake), "mqtt_port": wire.port, "raw_port": raw_port, "messages": node.figures.messages,
            "raw_bytes": raw, "records_forwarded": forwarder.records, "forwarded_bytes": forwarder.bytes,
            "packs_waiting": forwarder.waiting,
        }  # fmt: skip
    shell.answer(as_json, found, lambda console: shell.show_rows(console, [found]))


def fetch(
    lake: shell.LakeArgument,
    source: Annotated[
        str, typer.Option("--from", metavar="URL|FOLDER", help="The gateway's --serve address, or its lake.")
    ],
    stream: Annotated[str, typer.Option(help="The record's stream, source.meter.")],
    device: Annotated[str, typer.Option(help="The device's id.")],
    window: Annotated[
        datetime, typer.Option(parser=naive, metavar="INSTANT", help="The start of the record's window.")
    ],
    token_file: Annotated[Path | None, typer.Option(help="A file with the gateway's token.")] = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Fetch the raw events behind a record that a gateway made, and prove that they are the ones.

    LAKE is the centre's. The events are folded again by the stream's policy; their fingerprint must be the record's.
    """
    from workbench.errors import VerifyFailed
    from workbench.live.raw import fetched

    token = token_file.read_text().strip() if token_file else ""
    with shell.reading(lake, tenant) as opened:
        found = fetched(opened, source, stream, device, window, token)
    rows = found.rows.to_pylist()
    if not found.proven:
        raise VerifyFailed(
            "The gateway's events are not those the record was made of.",
            where=f"{stream} {device} {window}",
            cure="Ask the gateway that made the record; has it let the events go?",
        )
    events = [_told({k: v for k, v in row.items() if k not in ("device_key", "is_conflict")}) for row in rows]
    shell.answer(
        as_json,
        {"proven": True, "record": _told(found.record or {}), "events": events},
        lambda console: shell.show_rows(console, events, f"{len(events)} rows, proven by their fingerprint"),
    )


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, datetime) else value for name, value in row.items()}
