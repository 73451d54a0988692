"""The jars of Kafka and Pulsar, by the Maven client."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("WORKBENCH_BROKERS", ROOT / ".brokers"))
POM = Path(__file__).with_name("pom.xml")


def jars(product: str) -> Path:
    """The folder of a product's jars; fetched when they are not there. Raises ``CalledProcessError``."""
    folder = HOME / product
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes ask at once
        if not (folder / "complete").exists():
            subprocess.run(
                ["mvn", "-q", "-B", "-f", str(POM), "-P", product, "dependency:copy-dependencies",
                 "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
                check=True, timeout=1200,
            )  # fmt: skip
            (folder / "complete").touch()
    return folder
