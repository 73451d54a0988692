"""A folder of recordings: files by name, skipped when absent, refused when they are not what their name says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from workbench.errors import FileUnreadable


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
        return table

    def sha256(self, name: str) -> str:
        """Hash of a file: tells whether a stored model was fitted on these very rows."""
        return hashlib.sha256((self.path / f"{name}.parquet").read_bytes()).hexdigest()
