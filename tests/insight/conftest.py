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


def subscribers(seed: int = 7, users: int = 220) -> pd.DataFrame:
    """Made-up monthly aggregates: one in five calls strangers from many handsets on few days."""
    generator = np.random.default_rng(seed)
    bad = generator.random(users) < 0.2
    again = np.where(bad, generator.normal(1.2, 0.4, users), generator.normal(2.4, 0.9, users))
    return pd.DataFrame(
        {
            "user_id": np.arange(users), "label": bad.astype(int),
            "voc_calltype1": np.where(bad, generator.normal(0.9, 0.2, users), generator.normal(0.5, 0.2, users)),
            "imeis": 1 + generator.poisson(np.where(bad, 2.0, 0.2)),
            "phone2opposite_mean": again, "opposite_count": generator.poisson(60, users),
            "opposite_unique": generator.poisson(30, users), "arpu_mean": generator.gamma(2, 20, users),
            "voc_day_nunique": generator.integers(1, 31, users), "day_nunique": generator.integers(1, 31, users),
        }
    )  # fmt: skip


def households(seed: int = 9, count: int = 60, days: int = 92) -> pd.DataFrame:
    """Made-up half-hourly use, wide."""
    generator = np.random.default_rng(seed)
    slot = np.arange(days * 48)
    shape = 0.15 + 0.2 * np.exp(-(((slot % 48) - 38) ** 2) / 30)
    level = generator.lognormal(0, 0.4, count)
    noise = generator.lognormal(0, 0.5, (days * 48, count)) * np.repeat(
        generator.lognormal(0, 0.2, (days, count)), 48, 0
    )
    table = pd.DataFrame(shape[:, None] * level * noise, columns=[f"h{k}" for k in range(count)]).astype(
        np.float32
    )
    table.insert(0, "ts", pd.date_range("2021-03-01", periods=len(slot), freq="30min"))
    return table


def thieves(seed: int = 9) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same households, six of them stealing from day 50 on: some by the share, some between 16:00 and 20:00."""
    table = households(seed)
    names = [name for name in table if name != "ts"]
    late = (np.arange(len(table)) // 48 >= 50)[:, None]
    evening = ((np.arange(len(table)) % 48) // 8 == 4)[:, None]
    table.loc[:, names[:3]] = np.where(late, table[names[:3]] * 0.4, table[names[:3]]).astype(np.float32)
    table.loc[:, names[3:6]] = np.where(late & evening, 0, table[names[3:6]]).astype(np.float32)
    label = (np.arange(len(names)) < 6).astype(np.int8)
    onset = [pd.Timestamp("2021-03-01") + pd.Timedelta(days=50) if bad else pd.NaT for bad in label]
    kind = ["scale"] * 3 + ["timed_bypass"] * 3 + [None] * (len(names) - 6)
    return table, pd.DataFrame({"series_id": names, "label": label, "kind": kind, "onset": onset})


def sessions(seed: int = 4, users: int = 25, months: int = 8) -> pd.DataFrame:
    """Made-up charging sessions on weekdays."""
    generator = np.random.default_rng(seed)
    days = pd.date_range("2021-01-01", periods=months * 30, freq="D")
    rows = [
        (user, day + pd.Timedelta(hours=9), float(generator.gamma(8, 0.8)))
        for user, habit in enumerate(generator.uniform(0.05, 0.7, users))
        for day in days
        if day.day_of_week < 5 and generator.random() < habit
    ]
    return pd.DataFrame(rows, columns=["userId", "created", "kwhTotal"])


def failures(seed: int = 6, devices: int = 60, days: int = 80) -> pd.DataFrame:
    """Made-up counters: those of one device in six begin to move a few days before it fails."""
    generator = np.random.default_rng(seed)
    parts = []
    for number in range(devices):
        fails = number % 6 == 0
        length = int(generator.integers(40, days))
        counter = np.full(length, generator.integers(0, 50) * (generator.random() < 0.3), dtype=np.int64)
        if fails:
            counter[-6:] += np.arange(1, 7) * 10
        parts.append(
            pd.DataFrame(
                {
                    "date": pd.date_range("2021-01-01", periods=length), "device": f"D{number:03d}",
                    "failure": np.r_[np.zeros(length - 1, int), int(fails)],
                    "metric1": generator.integers(0, 10**8, length), "metric2": counter,
                    "metric3": 0, "metric4": counter // 10,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def meters(seed: int = 8, count: int = 4, days: int = 60) -> pd.DataFrame:
    """Made-up hourly buildings; each stops for some hours, and is once stuck."""
    generator = np.random.default_rng(seed)
    parts = []
    for number in range(count):
        hour = np.arange(days * 24)
        value = 40 + 30 * np.exp(-(((hour % 24) - 14) ** 2) / 18) + generator.normal(0, 1.5, len(hour))
        label = np.zeros(len(hour), dtype=np.int8)
        for begin in generator.choice(np.arange(200, len(hour) - 60, 60), 3, replace=False):
            value[begin : begin + 12] = 0.5
            label[begin : begin + 12] = 1
        ts = pd.date_range("2021-01-04", periods=len(hour), freq="h")
        parts.append(pd.DataFrame({"series_id": f"b{number}", "ts": ts, "value": value, "label": label}))
    return pd.concat(parts, ignore_index=True)


def streams(seed: int = 2, series: int = 3, readings: int = 1500) -> pd.DataFrame:
    """Made-up single series with one change each, with the columns of all three benchmarks."""
    generator = np.random.default_rng(seed)
    parts = []
    for number in range(series):
        value, label = generator.normal(10, 1, readings), np.zeros(readings, dtype=np.int8)
        value[1000:1040] += 15
        label[990:1060] = 1
        parts.append(
            pd.DataFrame(
                {
                    "series_id": f"n{number}", "part": "test", "idx": np.arange(readings), "value": value,
                    "Volume_Flow_RateRMS": value, "ts": pd.date_range("2021-01-01", periods=readings, freq="5min"),
                    "label": label,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small made-up recordings with the file names of the real ones."""
    folder = tmp_path_factory.mktemp("made-up")
    river().to_parquet(folder / "sensors_lro.parquet")
    flows().to_parquet(folder / "iot23_flows.parquet")
    subscribers().to_parquet(folder / "telecom_users.parquet")
    households().to_parquet(folder / "households_halfhourly.parquet")
    stolen, truth = thieves()
    stolen.to_parquet(folder / "theft_halfhourly.parquet")
    truth.to_parquet(folder / "theft_labels.parquet")
    meters().to_parquet(folder / "lead_meters.parquet")
    for name in ("nab", "smap_msl", "skab"):
        streams().to_parquet(folder / f"{name}.parquet")
    sessions().to_parquet(folder / "ev_sessions.parquet")
    failures().to_parquet(folder / "device_failures.parquet")
    return folder
