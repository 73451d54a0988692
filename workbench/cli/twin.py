"""``workbench twin``: try a tariff on real traffic, find the number that reaches a goal, and let a version pass the gate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from workbench.cli import shell
from workbench.cli.progress import Bars

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.twin.gate import GateResult
    from workbench.twin.simulation import Simulation
    from workbench.twin.solve import Solution

group = typer.Typer(help="Try a tariff on real traffic before your customers do.", no_args_is_help=True)

PeriodOption = Annotated[
    str,
    typer.Option(
        "--period", help="Whose traffic: as `workbench status` names it. Left out: the newest rated one."
    ),
]
CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog", metavar="PATH", help="Production's prices. Left out: those the period was rated by."
    ),
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(group, name="twin", rich_help_panel=shell.SEE)


@group.command()
def run(
    lake: shell.LakeArgument,
    scenarios: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO...", help="Scenario files (YAML); a list in one is a grid."),
    ],
    period: PeriodOption = "",
    catalog: CatalogOption = None,
    depth: Annotated[
        str,
        typer.Option(
            help="record: rate every record; total: fold them first (same exact bills); auto: by size."
        ),
    ] = "auto",
    movers: Annotated[int, typer.Option(min=0, help="How many of the largest movers to show.")] = 5,
    keep: Annotated[
        str, typer.Option(metavar="BRANCH", help="Leave the branch in the lake under this name.")
    ] = "",
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="LAKE", help="Another lake, of a simulated fleet, whose use is tried along (repeatable)."
        ),
    ] = None,
    tenant: shell.TenantOption = "main",
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Replay a lake's traffic on production and on every scenario, and say exactly what would differ and why.

    Production is only read: the replay runs on a branch. A scenario that cannot be tried says why; the others go on.

        workbench twin run LAKE examples/scenario.yaml
    """
    from workbench.twin.reconcile import assert_reconciles
    from workbench.twin.simulate import simulate

    with Bars(shell.remarks()) as bars:
        sim = simulate(
            lake, scenarios, catalogue=catalog, period=period, depth=depth, tenant=tenant, threads=threads, keep=keep,
            beside=beside or (), watch=bars,
        )  # fmt: skip
    with sim:
        assert_reconciles(sim)
        shell.answer(as_json, _told(sim, movers), lambda console: _show(console, sim, movers))


def _told(sim: Simulation, movers: int) -> dict[str, Any]:
    from workbench.billing import name_of

    cells: list[dict[str, Any]] = []
    for cell in sim.cells:
        if cell.error:
            cells.append({"scenario": cell.name, "error": dict(cell.error)})
            continue
        cells.append(
            {
                "scenario": cell.name,
                "labels": dict(cell.scenario.labels),
                "revenue": {
                    c: {"before": b, "after": a, "delta": a - b} for c, (b, a) in cell.totals.items()
                },
                "range": {c: {"low": cell.low[c], "high": cell.high[c]} for c in cell.low},
                "accounts": {
                    "up": sum(c.delta > 0 for c in cell.changes),
                    "down": sum(c.delta < 0 for c in cell.changes),
                    "same": sum(c.delta == 0 for c in cell.changes),
                },
                "waterfall": sim.waterfall(cell.name).to_dict("records"),
                "movers": sim.movers(cell.name, movers).to_dict("records"),
                "shares": sim.shares(cell.name).to_dict("records"),
                "devices": cell.devices,
                "records": cell.records,
            }
        )
    return {
        "period": name_of(sim.period), "lake_version": sim.version, "depth": sim.depth, "reconciles": True, "notes": list(sim.notes),
        "scenarios": cells, "wall_seconds": {step: round(taken, 3) for step, taken in sim.wall_seconds.items()},
    }  # fmt: skip


def _show(console: Console, sim: Simulation, movers: int) -> None:
    from workbench.twin.show import rounded, signed

    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("scenario", overflow="fold")
    for name in ("revenue now", "would be", "difference", "bills ↑", "bills ↓", "steepest"):
        table.add_column(name, justify="right")
    for cell in sim.cells:
        if cell.error:
            table.add_row(escape(cell.name), "[red]failed[/]")
            continue
        for currency, (before, after) in cell.totals.items():
            mine = [c for c in cell.changes if c.currency == currency]
            steepest = max((c.percent for c in mine if c.percent is not None), default=Fraction(0))
            delta = signed(after - before, currency)
            shade = "green" if after > before else "red" if after < before else "dim"
            table.add_row(
                escape(cell.name), rounded(before, currency), f"{rounded(after, currency)} {currency}", f"[{shade}]{delta}[/]",
                f"{sum(c.delta > 0 for c in mine):,}", f"{sum(c.delta < 0 for c in mine):,}", f"{signed(steepest, '', 1)} %",
            )  # fmt: skip
    console.print(table)
    for cell in sim.cells:
        if cell.error:
            said = f"{cell.name}: {cell.error['what']} {cell.error['cure']}"
            console.print(f"[red]✗[/] {escape(said)}", soft_wrap=True, highlight=False)
    for note in sim.notes:
        console.print(f"[yellow]![/] {escape(note)}", soft_wrap=True, highlight=False)
    good = [cell for cell in sim.cells if not cell.error]
    if len(good) == 1:
        _show_why(console, sim, movers)
    if good:
        console.print(
            "[dim]The differences add up to the last nano over rules, customers, devices and records.[/]"
        )


def _show_why(console: Console, sim: Simulation, movers: int) -> None:
    console.print("\n[bold]Rule by rule[/]")
    for row in sim.waterfall().to_dict("records"):
        if row["step"] not in ("production", "candidate"):
            console.print(
                f"  {escape(row['step']):<36} {row['delta']:>+24} {row['currency']}", highlight=False
            )
    if movers:
        console.print("\n[bold]Largest movers[/]")
        shell.show_rows(
            console,
            [{str(k): str(v) for k, v in row.items()} for row in sim.movers(n=movers).to_dict("records")],
        )


@group.command()
def solve(
    lake: shell.LakeArgument,
    path: Annotated[
        str, typer.Argument(metavar="NUMBER", help="offer.part.field, such as lights-on.energy.amount.")
    ],
    revenue: Annotated[str, typer.Option(help="The revenue to reach: an amount, or +5%.")] = "",
    margin: Annotated[
        str, typer.Option(help="The margin (sold less bought) to reach: an amount, or +5%.")
    ] = "",
    max_rise: Annotated[
        str, typer.Option(metavar="PERCENT", help="No bill may rise by more than so many percent.")
    ] = "",
    low: Annotated[str, typer.Option(help="Look from here on.")] = "",
    high: Annotated[str, typer.Option(help="Look up to here.")] = "",
    step: Annotated[str, typer.Option(help="The grid of values that a price list may hold.")] = "",
    period: PeriodOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Find the price (or allowance, or tier's bound) that reaches a revenue or margin with no bill up too far.

        workbench twin solve LAKE lights-on.rent.amount --revenue +5% --max-rise 15

    Exit code 1 when no value in the range reaches it.
    """
    from workbench.twin.solve import solve as find

    with shell.reading(lake, tenant) as opened:
        found = find(
            opened, path, revenue=revenue, margin=margin, max_rise_percent=max_rise or None, low=low, high=high, step=step,
            period=period,
        )  # fmt: skip
    shell.answer(as_json, found.as_dict(), lambda console: _show_solution(console, found))
    if found.value is None:
        raise typer.Exit(1)


def _show_solution(console: Console, found: Solution) -> None:
    mark = "[green]✓[/]" if found.value is not None else "[yellow]![/]"
    console.print(f"{mark} {escape(found.sentence)}")
    console.print(f"[dim]{found.trials} values tried, each on the whole period.[/]")


@group.command()
def gate(
    lake: shell.LakeArgument,
    candidate: Annotated[
        Path,
        typer.Argument(metavar="CATALOG", help="The price list that is to be published: a file or a folder."),
    ],
    rules: Annotated[
        Path | None,
        typer.Option(
            help="The rules (YAML). Left out: no bill up more than 15 %, revenue at least equal, "
            "every bill explained, checker content."
        ),
    ] = None,
    report: Annotated[Path, typer.Option(help="Where to write the report (HTML).")] = Path("gate.html"),
    sign: Annotated[
        bool, typer.Option("--sign/--no-sign", help="Sign the summary and keep it beside the price list.")
    ] = True,
    period: PeriodOption = "",
    catalog: CatalogOption = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Judge a new version on last period's real traffic, before `workbench catalog publish` lets it out.

    Writes a report that can be mailed, and a signed summary into `catalog.gates` beside the price list. Exit code 1 when
    a rule fails.
    """
    from workbench.clock import SystemClock
    from workbench.twin.gate import gate as judge
    from workbench.twin.gate import load_rules
    from workbench.twin.publishing import keep
    from workbench.twin.report import write_gate
    from workbench.twin.sign import signing_key

    with Bars(shell.remarks()) as bars, shell.reading(lake, tenant) as opened:
        result = judge(
            opened, candidate, load_rules(rules) if rules else None, now=SystemClock().now(), production=catalog,
            period=period, watch=bars,
        )  # fmt: skip
        with result.sim:
            folder = candidate if candidate.is_dir() else candidate.parent
            entry = keep(folder, result.summary(), signing_key()) if sign else None
            written = write_gate(result, report, entry)
    data = {**result.summary(), "report": str(written), "signature": entry["signature"] if entry else ""}
    shell.answer(as_json, data, lambda console: _show_gate(console, result, written))
    if not result.passed:
        raise typer.Exit(1)


def _show_gate(console: Console, result: GateResult, written: Path) -> None:
    for check in result.checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        console.print(f"{mark} [bold]{escape(check.name)}[/]: {escape(check.sentence)}", highlight=False)
        for offender in check.offenders[:5]:
            console.print(f"    [dim]{escape(offender)}[/]", highlight=False)
    verdict = "[green]The gate is passed.[/]" if result.passed else "[red]The gate is not passed.[/]"
    console.print(f"{verdict} The report is in [bold]{escape(str(written))}[/].")


@group.command()
def cost(
    case: Annotated[
        Path,
        typer.Argument(
            metavar="CASE", help="An economics case (YAML), such as examples/vending-economics.yaml."
        ),
    ],
    as_json: shell.JsonOption = False,
) -> None:
    """Say what mediation costs on each aggregation grid, what an offer leaves, and from which grid on it pays."""
    from workbench.twin.economics import load_case
    from workbench.twin.show import rounded

    found = load_case(case)
    data = {"case": found.name, "events": found.events, "revenue": found.revenue, "break_even_seconds": found.break_even(),
            "grids": found.table(), "sentence": found.sentence()}  # fmt: skip

    def draw(console: Console) -> None:
        console.print(escape(found.sentence()))
        table = Table(box=None, header_style="dim")
        for name in ("a record per", "records", "cost", "margin"):
            table.add_column(name, justify="right")
        for row in data["grids"]:  # type: ignore[attr-defined]
            each = found.at(row["grid_seconds"])
            shade = "green" if each.margin >= 0 else "red"
            money = (
                rounded(each.cost, found.currency),
                f"[{shade}]{rounded(each.margin, found.currency)}[/] {found.currency}",
            )
            table.add_row(f"{each.grid_seconds:,} s", f"{each.records:,}", *money)
        console.print(table)

    shell.answer(as_json, data, draw)


@group.command("event-rate")
def event_rate(
    devices: Annotated[int, typer.Option(min=1, help="How many devices.")],
    every: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="Seconds between two messages of one device.")
    ],
    together: Annotated[
        str, typer.Option(metavar="PERCENT", help="So many percent of them wake at the same instant.")
    ] = "0",
    spread: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="Over how many seconds these are spread.")
    ] = 1,
    backlog: Annotated[int, typer.Option(min=1, help="Messages each of these sends at once.")] = 1,
    lake: Annotated[Path | None, typer.Option(help="Measure by this lake's own history.")] = None,
    holds: Annotated[
        int | None, typer.Option(min=1, metavar="PER_SECOND", help="Or say what the installation takes in.")
    ] = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Say how many messages a second a fleet sends at worst, synchronised wake-ups included, and whether that is held."""
    from workbench.errors import UsageError
    from workbench.model.money import exact
    from workbench.twin.planner import Fleet, judge, measured, verdict

    try:
        share = exact(together.removesuffix("%").strip()) / 100
    except ValueError:
        raise UsageError(f"{together!r} is no share.", where="--together", cure="Write 20.") from None
    fleet = Fleet(devices, every, share, spread, backlog)
    if holds is not None:
        found = verdict(fleet, Fraction(holds))
    elif lake is not None:
        with shell.reading(lake, tenant) as opened:
            found = judge(fleet, measured(opened))
    else:
        raise UsageError(
            "Say what to measure by.", where="event-rate", cure="Pass --lake LAKE, or --holds PER_SECOND."
        )
    shell.answer(as_json, found.as_dict(), lambda console: console.print(escape(found.sentence)))
    if not found.holds:
        raise typer.Exit(1)
