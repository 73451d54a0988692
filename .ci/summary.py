"""The last page of a CI run: each suite, how it ended and how long it took; skips and their reasons; one total."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CLOSING = re.compile(r"^=+ (?P<counts>.*?) in [\d.]+s")
COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
SKIP = re.compile(r"^SKIPPED \[(\d+)\] (?P<reason>.*)")


def counts_of(log: str) -> dict[str, int]:
    """Tests passed, failed (errors among them) and skipped by every pytest run whose closing line is in ``log``."""
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for line in log.splitlines():
        closing = CLOSING.match(line)
        for number, word in COUNT.findall(closing["counts"]) if closing else ():
            totals["failed" if word.startswith("error") else word] += int(number)
    return totals


def main(results: Path, logs: Path) -> int:
    """Print the summary; returns 1 when a suite failed, or when no test passed at all."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    skips: set[str] = set()
    broken = []
    print("\n=== summary")
    for row in results.read_text().splitlines():
        name, status, seconds = row.split("\t")
        log = (logs / f"{name}.log").read_text(errors="replace")
        counts = counts_of(log)
        skips |= {f"{name}: {hit['reason']}" for line in log.splitlines() if (hit := SKIP.match(line))}
        total = {word: total[word] + counts[word] for word in total}
        if status != "0":
            broken.append(name)
        tests = (
            ", ".join(f"{number} {word}" for word, number in counts.items() if number)
            or "no tests of its own"
        )
        print(f"  {name:12} {'ok' if status == '0' else 'FAILED':6} {int(seconds):5} s  {tests}")
    for skip in sorted(skips):
        print(f"  skipped in {skip}")
    if broken:
        print(f"  failed: {', '.join(broken)}")
        total["failed"] = max(total["failed"], len(broken))
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if broken or total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
