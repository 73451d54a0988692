from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

RECORDINGS = Path(__file__).parents[2] / ".." / "shared" / "datasets"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The real recordings, where they are."""
    if not RECORDINGS.is_dir():
        pytest.skip("the recordings are not on this machine")
    return RECORDINGS.resolve()


def river(seed: int = 3, series: int = 4, readings: int = 3000) -> pd.DataFrame:
    """Made-up river sensors in the shape of the recordings: half of them freeze once, all have a quiet winter."""
    generator = np.random.default_rng(seed)
    parts = []
    for number in range(series):
        values = np.round(12 + 6 * np.sin(np.arange(readings) / 96) + generator.normal(0, 0.3, readings), 2)
        values[:400] = np.round(generator.integers(0, 2, 400).repeat(10)[:400] * 0.01, 2)  # under ice
        stuck = np.zeros(readings, dtype=np.int8)
        if number % 2 == 0:
            begin = int(generator.integers(1000, 2500))
            values[begin : begin + 60] = 31.5
            stuck[begin : begin + 60] = 1
        parts.append(
            pd.DataFrame(
                {
                    "series_id": f"s{number}", "site": f"site{number % 2}", "year": 2021,
                    "variable": "temp", "ts": pd.date_range("2021-01-01", periods=readings, freq="15min"),
                    "value": values, "corrected": values, "qual_code": stuck * 3, "label": stuck,
                    "reviewed": np.int8(1), "ignore": np.int8(0), "stuck": stuck,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def flows(seed: int = 5, devices: int = 6) -> pd.DataFrame:
    """Made-up flow logs: every device talks to the same cloud and time servers; the last one also to a stranger."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(devices):
        usual = [("pub-cloud", 443, "ssl", "tcp")] + [(f"pub-time{k}", 123, None, "udp") for k in range(4)]
        for host, port, service, proto in usual * 20:
            rows.append((f"C{number}", host, port, service, proto, "SF", 200.0, 300.0, 0))
        if number == devices - 1:
            rows += [(f"C{number}", "pub-stranger", 6667, "irc", "tcp", "S0", 90.0, 40.0, 1)] * 30
    table = pd.DataFrame(
        rows,
        columns=[
            "capture",
            "resp_h",
            "resp_p",
            "service",
            "proto",
            "conn_state",
            "orig_bytes",
            "resp_bytes",
            "label",
        ],
    )
    table["ts"] = generator.uniform(0, 86_400, len(table))
    table["orig_h"], table["history"] = "10.0.0.2", "ShAD"
    table["detailed_label"] = np.where(table.label == 1, "C&C-Torii", "-")
    table["resp_kind"] = "public"
    return table


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small made-up recordings with the file names of the real ones."""
    folder = tmp_path_factory.mktemp("made-up")
    river().to_parquet(folder / "sensors_lro.parquet")
    flows().to_parquet(folder / "iot23_flows.parquet")
    return folder
