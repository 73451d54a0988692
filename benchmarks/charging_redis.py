"""The other side of the race (``charging.py``): Redis 7, a Lua script for each kind of request, every write synced."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SMOKE = os.environ.get("WORKBENCH_BENCH") == "smoke"
ACCOUNTS = 200 if SMOKE else 100_000
CONNECTIONS = 64
PLAIN_LUA = """
local known = redis.call('GET', 'i:' .. ARGV[1])
if known then return known end
local balance = tonumber(redis.call('GET', 'b:' .. ARGV[2]) or '1000000000000')
local amount = tonumber(ARGV[3])
if balance < amount then
  redis.call('SET', 'i:' .. ARGV[1], 'insufficient', 'EX', 86400)
  return 'insufficient'
end
redis.call('SET', 'b:' .. ARGV[2], string.format('%.0f', balance - amount))
redis.call('SET', 'i:' .. ARGV[1], string.format('%.0f', balance - amount), 'EX', 86400)
return balance - amount
"""
PACK_UNITS = 250
"""In each account's own bucket, less than a usual use."""
RICH_LUA = """
local known = redis.call('GET', 'i:' .. ARGV[1])
if known then return known end
local units, pool = tonumber(ARGV[3]), 'p:' .. (tonumber(string.sub(ARGV[2], 2)) % 64)
local own = tonumber(redis.call('GET', 'u:' .. ARGV[2]) or 'PACK_UNITS')
local part = math.min(own, units)
if part > 0 then redis.call('SET', 'u:' .. ARGV[2], own - part) end
local rest = units - part
local cost = 0
if rest > 0 then
  local used = tonumber(redis.call('GET', 'c:' .. ARGV[2]) or '0')
  local function C(q) if q <= 1000000 then return q * 2000 end return 2000000000 + (q - 1000000) * 1000 end
  cost = C(used + rest) - C(used)
  redis.call('SET', 'c:' .. ARGV[2], used + rest)
  local shared = tonumber(redis.call('GET', pool) or '1000000000000')
  local from = math.min(shared, cost)
  if from > 0 then redis.call('SET', pool, string.format('%.0f', shared - from)) end
  if cost > from then
    local balance = tonumber(redis.call('GET', 'b:' .. ARGV[2]) or '1000000000000')
    redis.call('SET', 'b:' .. ARGV[2], string.format('%.0f', balance - cost + from))
  end
end
redis.call('SET', 'i:' .. ARGV[1], string.format('%.0f', cost), 'EX', 86400)
return cost
"""


class Redis:
    """A Redis of our own, on a socket file, every write synced before it is answered."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(self.socket.exists)
        time.sleep(0.3)
        self.scripts = {
            kind: subprocess.run(
                ["redis-cli", "-s", str(self.socket), "SCRIPT", "LOAD", text],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for kind, text in (
                ("plain", PLAIN_LUA),
                ("rich", RICH_LUA.replace("PACK_UNITS", str(PACK_UNITS))),
            )
        }

    def run(self, kind: str, tag: str) -> dict[str, Any]:
        """One closed loop of about ``SECONDS``."""
        requests = 2_000 if SMOKE else 60_000
        words = [
            "redis-benchmark", "-s", str(self.socket), "-c", str(CONNECTIONS), "-n", str(requests), "-r", str(ACCOUNTS),
            "--csv", "EVALSHA", self.scripts[kind], "0", f"{tag}-__rand_int__-__rand_int__", "a__rand_int__",
            "1000" if kind == "plain" else "300",
        ]  # fmt: skip
        lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip().splitlines()
        cells = [cell.strip('"') for cell in lines[-1].rsplit(",", 7)]
        return {"rps": float(cells[1]), "p50_ms": float(cells[4]), "p99_ms": float(cells[6])}

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something, not for ever."""
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
