"""``workbench charge``: run a charging node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.errors import FileUnreadable, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.charging.overflow import Limits
    from workbench.charging.serve import Running

Address = Annotated[str, typer.Option(metavar="HOST:PORT", show_default=False)]


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.BILL)(charge)


def charge(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the node keeps its log; made when new.")
    ],
    catalog: Annotated[
        Path | None, typer.Option("--catalog", help="The price list to charge by: a YAML file.")
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option("--tenant", help="Whose accounts; may be given several times. [main]")
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option("--socket", help="Socket file for callers on this machine. [FOLDER/node.sock]"),
    ] = None,
    http: Annotated[str, typer.Option("--http", metavar="HOST:PORT", help="Serve HTTP/JSON there.")] = "",
    tcp: Annotated[
        str, typer.Option("--tcp", metavar="HOST:PORT", help="Serve frames there, to a trusted network.")
    ] = "",
    mqtt: Annotated[str, typer.Option("--mqtt", metavar="HOST:PORT", help="Serve through this broker.")] = "",
    tokens: Annotated[
        Path | None, typer.Option("--tokens", help="File of HTTP tokens, a line each: TENANT TOKEN.")
    ] = None,
    webhook: Annotated[str, typer.Option("--webhook", help="Post notices of thresholds to this URL.")] = "",
    secret: Annotated[
        Path | None, typer.Option("--secret", help="File with the key that signs notices.")
    ] = None,
    lake: Annotated[
        Path | None, typer.Option("--into", metavar="LAKE", help="Book postings and charges into this lake.")
    ] = None,
    edge: Annotated[
        bool, typer.Option("--edge", help="Be an edge: grant out of units leased from a centre.")
    ] = False,
    lease: Annotated[
        str, typer.Option("--lease", metavar="FROM", help="The centre: its socket file or HOST:PORT.")
    ] = "",
    nodes: Annotated[
        str,
        typer.Option(
            "--nodes", metavar="auto", help="Let accounts overflow to more nodes when one is not enough."
        ),
    ] = "",
    nodes_most: Annotated[
        int,
        typer.Option("--nodes-most", min=1, max=64, help="Nodes in all that auto starts on this machine."),
    ] = 4,
    node_rate: Annotated[
        int,
        typer.Option(
            "--node-rate", min=0, help="Requests/s one node is to bear. [measured: share of a core]"
        ),
    ] = 0,
    table: Annotated[
        str, typer.Option("--table", metavar="URL|FILE", help="The nodes' shared table: redis://… or a file.")
    ] = "",
    join: Annotated[
        str,
        typer.Option(
            "--join", metavar="HOST:PORT", help="Take accounts of the home node that listens there."
        ),
    ] = "",
    advertise: Annotated[
        str,
        typer.Option("--advertise", metavar="HOST", help="The host under which other nodes reach this one."),
    ] = "",
    own: Annotated[
        bool, typer.Option("--own", hidden=True, help="Said by a node to those it starts itself.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Prove stopped nodes: with edges and moves they charged what one node would have alone.",
        ),
    ] = False,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--beside", metavar="FOLDER", help="With --check: a node that joined, and had accounts too."
        ),
    ] = None,
    accept_old_groups: Annotated[
        bool,
        typer.Option(
            "--accept-old-groups", help="Accept rating groups in an old log that are refused today; once."
        ),
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show a running node and stop.")] = False,
    ask: Annotated[
        str, typer.Option("--ask", metavar="JSON", help="Send one request to a running node.")
    ] = "",
    as_json: shell.JsonOption = False,
) -> None:
    """Charge in real time: accounts, balances and reservations behind a socket, HTTP and MQTT.

    Every answer is on disk before it leaves. Start a node, then ask it:

    `workbench charge my-node --catalog offers.yaml --http 127.0.0.1:8100`

    More nodes when one is not enough, on this machine or others that join:

    `workbench charge my-node --nodes auto --tcp 10.0.0.1:8100`, `workbench charge second --join 10.0.0.1:8100 --tcp 10.0.0.2:8100`

    `workbench charge my-node --ask '{"op":"open","account":"car-1","id":"1","offers":["car"]}'`
    """
    path = socket or folder / "node.sock"
    if check:
        _check([folder, *_started(folder), *(beside or [])], tuple(tenant or ["main"]), as_json)
        return
    if status:
        show_node(path, as_json)
        return
    if ask:
        _ask(path, ask, as_json)
        return
    from workbench.charging.serve import Doors, serve

    limits = _limits(nodes, nodes_most, node_rate, bool(edge or join))
    if (nodes or join) and not tcp:
        tcp = "127.0.0.1:0"
    doors = Doors(
        folder, tuple(tenant or ["main"]), _text(catalog), path, _address(tcp), _address(http), _address(mqtt),
        tokens=_tokens(tokens), lake=lake, edge=folder.name if edge else "", centre=_centre(edge, lease),
        webhook=webhook, secret=_text(secret).strip(), secret_file=str(secret or ""), nodes=limits, table=table, join=join,
        own=own, advertise=advertise,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    if accept_old_groups:
        from workbench.charging.recovery import accept_old_groups as accept

        accept(folder, doors.tenants)
    serve(doors, lambda running: _ready(running, as_json))


def _limits(nodes: str, most: int, rate: int, other: bool) -> Limits | None:
    from workbench.charging.overflow import Limits

    if not nodes:
        return None
    if nodes != "auto" or other:
        raise UsageError(
            "A home node with others beside it is started with --nodes auto, and is no edge and joins nobody.",
            cure="Say --nodes auto, or join a home node with --join HOST:PORT.",
            code="bad_nodes",
        )
    return Limits(most=most, rate=rate)


def _ready(running: Running, as_json: bool) -> None:
    import sys

    doors, found = running.doors, running.service.durable.recovered
    data: dict[str, Any] = {
        "folder": str(doors.folder),
        "socket": str(doors.socket),
        **running.ports,
        "accounts": len(found.node.accounts),
        "seq": found.node.seq,
        "recovered_requests": found.requests,
        "recovery_seconds": round(running.service.durable.recovery_seconds, 3),
    }

    def show(console: Console) -> None:
        console.print(f"[bold]Charging[/] {data['accounts']:,} accounts in {doors.folder}", highlight=False)
        console.print(f"  socket {doors.socket}", highlight=False)
        if "http" in data and doors.http is not None:
            console.print(f"  http   http://{doors.http[0]}:{data['http']}/openapi.json", highlight=False)
        if not doors.tokens and doors.http is not None and doors.http[0] not in ("127.0.0.1", "localhost"):
            console.print("  [yellow]no tokens: whoever reaches this port may charge any account[/]")
        console.print(
            f"  {found.requests:,} requests read from the log in {data['recovery_seconds']} s. Ctrl+C stops.",
            highlight=False,
        )

    shell.answer(as_json, data, show)
    sys.stdout.flush()


def _ask(path: Path, text: str, as_json: bool) -> None:
    found = _asked(path, text.encode())
    shell.answer(as_json, found, lambda console: shell.show_rows(console, [_flat(found)]))


def _asked(path: Path, body: bytes) -> dict[str, Any]:
    import json

    from workbench.charging.framed import Caller

    try:
        caller = Caller(path)
    except OSError as error:
        raise UsageError(
            "No node listens there.",
            where=str(path),
            cure="Start one: `workbench charge FOLDER --catalog offers.yaml`.",
            code="no_node",
        ) from error
    found: dict[str, Any] = json.loads(caller.ask(body))
    caller.close()
    return found


def show_node(path: Path, as_json: bool) -> None:
    """A running node, the nodes beside it, and the last decisions with their reasons."""
    from datetime import UTC, datetime

    found = _asked(path, b'{"op":"status"}')

    def show(console: Console) -> None:
        plain = {key: value for key, value in found.items() if key not in ("nodes", "decisions")}
        for name, value in _flat(plain).items():
            text = f"{value:,}" if isinstance(value, int) else str(value)
            console.print(f"  {name.replace('_', ' '):24} {text}", highlight=False)
        if "nodes" in found:
            rows = [{"node": name, **node} for name, node in found["nodes"].items()]
            shell.show_rows(console, rows, "nodes")
        if found.get("decisions"):
            rows = [
                {
                    "at": f"{datetime.fromtimestamp(row['at'] / 1e6, UTC):%H:%M:%S}",
                    **{k: row[k] for k in ("what", "why")},
                }
                for row in found["decisions"]
            ]
            shell.show_rows(console, rows, "decisions")

    shell.answer(as_json, found, show)


def _started(folder: Path) -> list[Path]:
    """Nodes that ``--nodes auto`` started."""
    return sorted(path.parent for path in (folder / "nodes").glob("*/log"))


def _check(folders: list[Path], tenants: tuple[str, ...], as_json: bool) -> None:
    from dataclasses import asdict

    from workbench.charging.alone import compare
    from workbench.errors import VerifyFailed

    found = compare(folders, tenants)
    if found.on_their_way:
        raise VerifyFailed(
            f"{found.on_their_way:,} accounts are on none of these nodes.",
            where=str(folders[0]),
            cure="Name every node that joined with --beside, and start home until no move is under way.",
        )
    if not found.ok:
        name, real, alone = found.different[0]
        raise VerifyFailed(
            f"{len(found.different)} accounts came to something else than one node alone.",
            where=f"account {name}: {real} as it was, {alone} alone",
            cure="Let every edge tell what it has, then check again.",
        )
    shell.answer(
        as_json,
        asdict(found),
        lambda console: console.print(
            f"[green]Proven[/]: {found.accounts:,} accounts, {found.events:,} events told by edges, "
            f"overshoot {found.overshoot:,}, {found.nodes:,} nodes, {found.moves:,} moves",
            highlight=False,
        ),
    )


def _centre(edge: bool, lease: str) -> Path | tuple[str, int] | None:
    if edge != bool(lease):
        raise UsageError(
            "An edge leases from a centre.",
            cure="Give --edge and --lease together.",
            code="edge_without_centre",
        )
    if not lease:
        return None
    return Path(lease) if "/" in lease or not lease.rpartition(":")[1] else _address(lease)


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, list | dict) else value for name, value in found.items()}


def _address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise UsageError(
            f"{text!r} is no address.",
            cure="Write HOST:PORT, for example 127.0.0.1:8100.",
            code="bad_address",
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable("The file cannot be read.", where=str(path), cure="Check its name.") from error


def _tokens(path: Path | None) -> dict[str, str]:
    found = {}
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) == 2 and not line.startswith("#"):
            found[words[1]] = words[0]
        elif words and not line.startswith("#"):
            raise UsageError(
                "A line of the tokens is not TENANT TOKEN.",
                where=str(path),
                cure="Two words a line.",
                code="bad_tokens",
            )
    return found
