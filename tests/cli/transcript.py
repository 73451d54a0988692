"""What commands print, word for word: ``shown.txt`` holds commands about ``shown.yaml`` and their answers.

    python -m tests.cli.transcript    # writes the answers anew; read what changed before you commit it

The amounts in it were worked out by hand once; a test compares, and so does whoever reads the difference.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FILE = HERE / "shown.txt"
COLUMNS = 100


def entries(text: str) -> list[tuple[str, str]]:
    """(command without ``workbench``, what it prints) in their order."""
    found = []
    for entry in text.split("\n$ ")[1:]:
        command, _, answer = entry.partition("\n")
        found.append((command, tidy(answer)))
    return found


def tidy(answer: str) -> str:
    """Without the spaces at the ends of lines, which nobody sees."""
    return "\n".join(line.rstrip() for line in answer.strip("\n").splitlines())


def main() -> None:
    """Ask every command again and write what it says."""
    head, *_ = FILE.read_text(encoding="utf-8").partition("\n$ ")
    parts = [head.rstrip("\n") + "\n"]
    for command, _ in entries(FILE.read_text(encoding="utf-8")):
        words = [sys.executable, "-c", "from workbench.cli.main import main; main()", *command.split()]
        said = subprocess.run(
            words,
            cwd=HERE,
            env=os.environ | {"COLUMNS": str(COLUMNS)},
            capture_output=True,
            text=True,
            check=False,
        )
        parts.append(f"$ {command}\n{tidy(said.stdout or said.stderr)}\n")
    FILE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
