from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.verify import world
from workbench.lake.lake import Lake


@pytest.fixture(scope="session")
def true_world(tmp_path_factory) -> Path:
    """A folder with a lake in which every promise holds."""
    folder = tmp_path_factory.mktemp("world")
    world.make(folder)
    return folder / "lake"


@pytest.fixture
def lake(true_world: Path, tmp_path: Path) -> Iterator[Lake]:
    """A copy of the true world, to do harm to."""
    shutil.copytree(true_world, tmp_path / "lake")
    with Lake.open(tmp_path / "lake") as opened:
        yield opened


@pytest.fixture
def rewrite(lake: Lake) -> Callable[..., None]:
    """Replace one segment of a kind by SQL over it, as a defect of the engine would have written it.

    The new file is well-formed, hashed and committed: only a check that looks at the rows can object.
    """

    def change(kind: str, sql: str, **which: str) -> None:
        with lake.writer():
            old = max(lake.segments(kind, **which), key=lambda segment: (segment.rows, segment.path))
            source = lake.scan(kind, segments=[old])
            table = lake.con.sql(sql.format(rows=source)).to_arrow_table()
            place = {"stream": old.stream, "partition": old.partition, "period": old.period}
            new = lake.write(kind, table, meta=dict(old.meta), origin="planted", **place)
            lake.commit({"stage": "planted"}, add=[new], remove=[old])

    return change
