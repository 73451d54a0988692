"""Which nodes there are and which accounts are not at home: one table in a shared store, and nothing that votes.

The table tells callers and operators where to go. It does not decide who may answer: each node's own log does
(``moves.py``). So a table that lags sends a caller to a node that says ``elsewhere``, and never to a wrong answer. A row
changes only to a higher epoch.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from workbench.errors import ChargingError

DECISIONS_KEPT = 500


class Member(NamedTuple):
    """A node that takes accounts. ``address`` and ``http`` are host:port; ``own``: home started it and ends it."""

    name: str
    address: str
    http: str = ""
    own: bool = False


class Placement(Protocol):
    """The table."""

    def join(self, member: Member) -> None:
        """A node is there, or is there under another address."""

    def leave(self, name: str) -> None:
        """A node is gone for good."""

    def members(self) -> list[Member]:
        """The nodes besides home, by name."""

    def flip(self, keys: Iterable[tuple[str, str]], node: str, epoch: int, *, home: bool) -> int:
        """Accounts are at ``node`` from this epoch on; at ``home`` they need no row. Answers how many rows changed."""

    def owner(self, tenant: str, account: str) -> str:
        """The node an account is at; empty: at home."""

    def counts(self) -> dict[str, int]:
        """Node to how many accounts it has of home's."""

    def decide(self, at: int, what: str, why: str) -> None:
        """Write a decision down, for people."""

    def decisions(self, last: int = 20) -> list[dict[str, Any]]:
        """The last decisions, newest last."""

    def close(self) -> None:
        """Let go of the store."""


class FilePlacement:
    """The table as an SQLite file, synced at each change; any process of this machine may read it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._con = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        for line in (
            "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
            "CREATE TABLE IF NOT EXISTS members (name TEXT PRIMARY KEY, address TEXT, http TEXT, own INTEGER)",
            "CREATE TABLE IF NOT EXISTS owners (tenant TEXT, account TEXT, node TEXT, epoch INTEGER,"
            " PRIMARY KEY (tenant, account)) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS decisions (number INTEGER PRIMARY KEY, at INTEGER, what TEXT, why TEXT)",
        ):  # fmt: skip
            self._con.execute(line)

    def _do(self, *steps: tuple[str, Iterable[Any]]) -> list[Any]:
        with self._lock:
            self._con.execute("BEGIN IMMEDIATE")
            try:
                found = [self._con.execute(sql, tuple(values)).fetchall() for sql, values in steps][-1]
                self._con.execute("COMMIT")
            except BaseException:
                self._con.execute("ROLLBACK")
                raise
            return found

    def join(self, member: Member) -> None:
        self._do(("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", member))

    def leave(self, name: str) -> None:
        self._do(("DELETE FROM members WHERE name = ?", (name,)))

    def members(self) -> list[Member]:
        rows = self._do(("SELECT name, address, http, own FROM members ORDER BY name", ()))
        return [Member(name, address, http, bool(own)) for name, address, http, own in rows]

    def flip(self, keys: Iterable[tuple[str, str]], node: str, epoch: int, *, home: bool) -> int:
        sql = "DELETE FROM owners WHERE tenant = ? AND account = ? AND epoch < ?"
        if not home:
            sql = (
                "INSERT INTO owners (tenant, account, epoch, node) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "node = excluded.node, epoch = excluded.epoch WHERE epoch < excluded.epoch"
            )
        rows = [(*key, epoch) if home else (*key, epoch, node) for key in keys]
        with self._lock:
            self._con.execute("BEGIN IMMEDIATE")
            changed = self._con.executemany(sql, rows).rowcount
            self._con.execute("COMMIT")
        return int(changed)

    def owner(self, tenant: str, account: str) -> str:
        rows = self._do(("SELECT node FROM owners WHERE tenant = ? AND account = ?", (tenant, account)))
        return str(rows[0][0]) if rows else ""

    def counts(self) -> dict[str, int]:
        return dict(self._do(("SELECT node, count(*) FROM owners GROUP BY node", ())))

    def decide(self, at: int, what: str, why: str) -> None:
        self._do(
            ("INSERT INTO decisions (at, what, why) VALUES (?, ?, ?)", (at, what, why)),
            (
                "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?",
                (DECISIONS_KEPT,),
            ),
        )

    def decisions(self, last: int = 20) -> list[dict[str, Any]]:
        rows = self._do(("SELECT at, what, why FROM decisions ORDER BY number DESC LIMIT ?", (last,)))
        return [{"at": at, "what": what, "why": why} for at, what, why in reversed(rows)]

    def close(self) -> None:
        with self._lock:
            self._con.close()


_FLIP = """
local changed = 0
for i = 4, #ARGV do
  local said = redis.call('HGET', KEYS[1], ARGV[i])
  local epoch = said and tonumber(string.match(said, '^%d+')) or 0
  if epoch < tonumber(ARGV[1]) then
    changed = changed + 1
    if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], ARGV[i])
    else redis.call('HSET', KEYS[1], ARGV[i], ARGV[1] .. ' ' .. ARGV[2]) end
  end
end
return changed
"""


class RedisPlacement:
    """The table in Redis, for nodes on several machines: three keys under ``prefix``.

    Raises:
        ChargingError: ``no_redis``: the package is missing, or nobody answers there.
    """

    def __init__(self, url: str, prefix: str = "charging") -> None:
        try:
            import redis

            self._redis: Any = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)
            self._redis.ping()
        except (ImportError, OSError, ValueError, redis.exceptions.RedisError) as error:
            raise ChargingError(
                "The shared table cannot be reached.",
                where=url.rpartition("@")[2],
                cure="Install `iot-tariff-workbench[redis]`, start Redis, or leave --table out: a file serves one machine.",
                code="no_redis",
            ) from error
        self._members, self._owners, self._log = (
            f"{prefix}:members",
            f"{prefix}:owners",
            f"{prefix}:decisions",
        )
        self._flip = self._redis.register_script(_FLIP)

    def join(self, member: Member) -> None:
        self._redis.hset(self._members, member.name, json.dumps(member))

    def leave(self, name: str) -> None:
        self._redis.hdel(self._members, name)

    def members(self) -> list[Member]:
        found = self._redis.hgetall(self._members)
        return [Member(*json.loads(found[name])) for name in sorted(found)]

    def flip(self, keys: Iterable[tuple[str, str]], node: str, epoch: int, *, home: bool) -> int:
        fields: list[str | int] = [json.dumps(key) for key in keys]
        changed = 0
        for at in range(0, len(fields), 2_000):
            words: list[str | int] = [epoch, node, int(home), *fields[at : at + 2_000]]
            changed += int(self._flip(keys=[self._owners], args=words))
        return changed

    def owner(self, tenant: str, account: str) -> str:
        said = self._redis.hget(self._owners, json.dumps((tenant, account)))
        return str(said).partition(" ")[2] if said else ""

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for said in self._redis.hvals(self._owners):
            node = said.partition(" ")[2]
            found[node] = found.get(node, 0) + 1
        return found

    def decide(self, at: int, what: str, why: str) -> None:
        self._redis.rpush(self._log, json.dumps({"at": at, "what": what, "why": why}))
        self._redis.ltrim(self._log, -DECISIONS_KEPT, -1)

    def decisions(self, last: int = 20) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self._redis.lrange(self._log, -last, -1)]

    def close(self) -> None:
        self._redis.close()


def table_at(where: str, folder: Path, name: str) -> Placement:
    """The table a user named: ``redis://…``, a file, or the one in home's folder."""
    if where.startswith(("redis://", "rediss://", "unix://")):
        return RedisPlacement(where, f"charging:{name}")
    return FilePlacement(Path(where) if where else folder / "placement.db")
