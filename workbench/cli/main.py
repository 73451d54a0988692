"""The program ``workbench``: its tree of commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from workbench.cli import shell
from workbench.errors import VerifyFailed, WorkbenchError

MODULES = (
    *("demo", "city", "cars", "serve", "lab", "price", "shadow", "quote", "twin"),
    *("ingest", "collect", "parties", "catalog", "bill", "charge"),
    *("status", "invoice", "trace", "explain", "margin", "verify"),
    *("detect", "queue", "upsell"),
    *("live", "replay", "edge", "deadletter", "keys"),
    *("project",),
)
"""Files of this room that hold commands, in the order of ``--help``; each has ``add(app)``."""

DONE, NOT_PROVEN, UNUSABLE, DEFECT, STOPPED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="workbench",
    help="Turns a flood of tiny device events into exact, provable money.\n\n"
    "New here? `workbench demo` builds a small city, bills it, proves the bill and shows it in your browser. "
    "`workbench shadow FILE` does the same with usage records of your own.",
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _without_command(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        from importlib.metadata import version as of

        print(of("iot-tariff-workbench"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


for _name in MODULES:
    import_module(f"workbench.cli.{_name}").add(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(words))


def run(words: Sequence[str]) -> int:
    """Run one command; whatever goes wrong becomes a sentence and an exit code.

    Returns: see ``README.md``.
    """
    from typer import rich_utils
    from typer.core import _click

    as_json = "--json" in words
    try:
        code = app(list(words), prog_name="workbench", standalone_mode=False)
        if code == STOPPED:  # Typer makes this of Ctrl+C
            raise KeyboardInterrupt
        return code if isinstance(code, int) else DONE
    except WorkbenchError as error:
        shell.show_error(error.as_dict(), as_json)
        return NOT_PROVEN if isinstance(error, VerifyFailed) else UNUSABLE
    except _click.exceptions.ClickException as error:
        if as_json:
            shell.show_error(
                {"code": "usage", "what": error.format_message(), "where": "", "cure": "Try --help."}, True
            )
        else:
            rich_utils.rich_format_error(error)
        return UNUSABLE
    except (KeyboardInterrupt, typer.Abort):
        shell.show_error(
            _error("stopped", "Stopped.", "Run the same command again: it goes on where it was."), as_json
        )
        return STOPPED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  whoever read us has left; nothing more can be said
        return DONE
    except Exception as error:
        if os.environ.get("WORKBENCH_DEBUG"):
            raise
        return _unforeseen(error, as_json)


def _unforeseen(error: Exception, as_json: bool) -> int:
    """An error of the simulators (their tree is their own), of the machine (no space, no right), or our defect."""
    if type(error).__module__ == "simulators.errors":
        shell.show_error(error.as_dict(), as_json)  # type: ignore[attr-defined]
        return UNUSABLE
    if isinstance(error, OSError):
        said = f"The operating system refused: {error.strerror or error}."
        shell.show_error(
            _error("system", said, "Check the disk's space and rights.", str(error.filename or "")), as_json
        )
        return UNUSABLE
    if isinstance(error, MemoryError):
        shell.show_error(_error("memory", "There was not enough memory.", "Use fewer threads."), as_json)
        return UNUSABLE
    first = next(iter(str(error).splitlines()), "")
    said = f"This is a defect of the workbench: {type(error).__name__}: {first}"
    cure = "Run it again with WORKBENCH_DEBUG=1 and report what it shows; nothing that was committed is lost."
    shell.show_error(_error("defect", said, cure), as_json)
    return DEFECT


def _error(code: str, what: str, cure: str, where: str = "") -> dict[str, str]:
    return {"code": code, "what": what, "where": where, "cure": cure}
