"""Tiny samples of every fleet with a card each: what is committed under ``datasets/fleets/``.

python -m simulators samples --to datasets/fleets
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from simulators.base import Fleet
from simulators.fleets import REGISTRY, fleet
from simulators.messages import json_lines

DEVICES, SEED, ROWS = 3, 7, 40
START, HOURS = "2026-03-02T06:00", 12
COMMAND = "python -m simulators samples --to datasets/fleets"


def samples() -> Iterator[tuple[str, str]]:
    """Every file of the samples: (path inside the folder, text)."""
    for name in REGISTRY:
        made = fleet(name, 60 if name == "chargers" else DEVICES, seed=SEED, start=START, duplicates=0.05)
        yield f"{name}/sample.ndjson", _lines(made)
        yield f"{name}/inventory.ndjson", _inventory(made)
        yield f"{name}/README.md", _card(made)
    yield "README.md", _index()


def write_samples(to: Path) -> int:
    """Write the samples below ``to``; the answer is how many files."""
    count = 0
    for name, text in samples():
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        count += 1
    return count


def _lines(made: Fleet) -> str:
    """The first deliveries, one JSON object a line."""
    table = pa.concat_tables([table for _, table in made.hours(HOURS / 24)]).slice(0, ROWS).combine_chunks()
    return "".join(
        line.decode() + "\n" for batch in table.to_batches() for line in json_lines(batch).to_pylist()
    )


def _inventory(made: Fleet) -> str:
    rows = made.inventory().slice(0, DEVICES).to_pylist()
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def _card(made: Fleet) -> str:
    columns = "\n".join(f"| `{c.name}` | {_type(c.type)} | {c.note} |" for c in made.columns)
    return f"""# {made.title}

The first {ROWS} deliveries of a few simulated devices, in the order of arrival, and the inventory of {DEVICES} of them.

- **Source:** made by this project's simulators, fleet `{made.name}`, seed {SEED}; no real device, person or place.
- **Made with:** `{COMMAND}`
- **Licence:** Apache-2.0, as the project.
- **Units:** in the columns' notes; times are UTC.
- **Key of a true event:** {", ".join(f"`{name}`" for name in made.key)}; a second delivery repeats it.
- **Event time:** `{made.event_time}`

| column | type in Parquet | what it holds [unit] |
|---|---|---|
{columns}
"""


def _type(kind: pa.DataType) -> str:
    return "dictionary of strings" if pa.types.is_dictionary(kind) else str(kind)


def _index() -> str:
    rows = "\n".join(f"| [{name}]({name}/README.md) | {kind.title} |" for name, kind in REGISTRY.items())
    return f"""# Samples of the simulated fleets

A few rows of each fleet, to look at and to test mappings with. For more, run `python -m simulators list`.

- **Source:** made by this project's simulators, seed {SEED}; no real device, person or place.
- **Made with:** `{COMMAND}`; a test holds the files equal to what the command writes.
- **Licence:** Apache-2.0, as the project.
- **Units and columns:** in each fleet's card.

| fleet | what it sends |
|---|---|
{rows}
"""
