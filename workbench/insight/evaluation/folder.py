"""A folder of recordings: files by name, skipped when absent, refused when they are not what their name says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from workbench.errors import FileUnreadable
from workbench.insight.evaluation.result import need

_FLOW = ("capture", "ts", "orig_h", "orig_p", "resp_h", "resp_p", "proto")
LABELLED = {
    "sensors_lro": (("series_id", "ts"), "label"), "lead_meters": (("series_id", "ts"), "label"),
    "nab": (("series_id", "ts"), "label"), "smap_msl": (("series_id", "part", "idx"), "label"),
    "skab": (("series_id", "ts"), "label"), "iot23_flows": (_FLOW, "label"), "telecom_users": (("user_id",), "label"),
    "theft_labels": (("series_id",), "label"), "device_failures": (("device", "date"), "failure"),
}  # fmt: skip
"""By file: what a label is about, and the column that holds it."""


class Folder:
    """Parquet files of one folder. A file that is not there is no error: its rows are left out.

    Args:
        path: the folder; the development part and the part kept back have the same file names.

    Raises:
        FileUnreadable: there is no such folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if not self.path.is_dir():
            raise FileUnreadable(
                "There is no folder of recordings here.",
                where=str(path),
                cure="Give --data the folder that holds sensors_lro.parquet, telecom_users.parquet and so on.",
            )

    def has(self, *names: str) -> bool:
        """Whether all these files are there."""
        return all((self.path / f"{name}.parquet").is_file() for name in names)

    def read(self, name: str, *columns: str) -> pd.DataFrame:
        """One file.

        Args:
            columns: columns it must have (others come too).

        Raises:
            FileUnreadable: it is damaged, or a column is missing.
            Scarce: the same thing is labelled both ways, so that no figure would mean anything.
        """
        place = self.path / f"{name}.parquet"
        try:
            table = pd.read_parquet(place)
        except (OSError, ValueError) as error:
            raise FileUnreadable(
                f"This file cannot be read: {next(iter(str(error).splitlines()), '')}", where=str(place)
            ) from error
        for column in columns:
            if column not in table:
                raise FileUnreadable(f"Column {column} is missing.", where=str(place))
        if name in LABELLED:
            _agree(table, *LABELLED[name])
        return table

    def sha256(self, name: str) -> str:
        """Hash of a file: tells whether a stored model was fitted on these very rows."""
        return hashlib.sha256((self.path / f"{name}.parquet").read_bytes()).hexdigest()


def _agree(table: pd.DataFrame, about: tuple[str, ...], label: str) -> None:
    """Refuse labels that contradict each other."""
    keys = [column for column in about if column in table]
    if not keys or label not in table:
        return
    twice = table[table.duplicated(keys, keep=False)]
    ways = twice.groupby(keys, dropna=False)[label].nunique()
    both = int((ways > 1).sum())
    need(not both, f"labels contradict each other, {both:,} times for one {', '.join(keys)}")
