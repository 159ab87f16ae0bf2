"""How the store bears many workers and a long history, and what data-parallel training gains.

    python -m benchmarks.scale [store] [parallel] [--seconds 10] [--workers 1 8 32 1000]
        [--fleet 1 8 32 100] [--history 1000000] [--write]

`--write` puts the tables into benchmarks/README.md. 1,000 workers that hold jobs are threads of
two processes; a fleet is of real supervisors, a process each, with two connections each.
"""

import argparse
import statistics

from app.store import database
from benchmarks import mnist, readme
from benchmarks.machine import described_when_idle
from benchmarks.scale import claims, fleet, parallel
from benchmarks.scale.databases import finish_many, opened, queue_many

PARTS = ["store", "parallel"]
MOST_CLAIMS = 1500
"""Jobs that wait for each second of a measurement: more than any database here hands out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 8, 32, 1000])
    parser.add_argument("--fleet", type=int, nargs="*", default=[1, 8, 32, 100])
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if "store" in given.parts:
        lines = [described_when_idle("sqlalchemy", "psycopg"), ""]
        lines += _claims(given.workers, [0, given.history], given.seconds)
        lines += _fleets(given.fleet, given.seconds)
        _show("scale", lines, written=given.write)
    if "parallel" in given.parts:
        lines = [described_when_idle("torch", "ray"), "", *parallel.table(mnist.source())]
        _show("parallel", lines, written=given.write)


def _show(section: str, lines: list[str], *, written: bool) -> None:
    text = "\n".join(lines)
    print(text)
    if written:
        readme.write(section, text)


def _claims(workers: list[int], histories: list[int], seconds: float) -> list[str]:
    if not workers:
        return []
    lines = [
        "| database | finished jobs | workers | claims a second | ratio to one worker | claim, "
        "p50 / p99 in ms | heartbeat, p99 in ms | refused as busy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("sqlite", "postgresql"):
        for history in histories:
            with opened(kind) as url:
                store = database.connect(url)
                finish_many(store, history)
                alone = 0.0
                for count in workers:
                    queue_many(store, int(MOST_CLAIMS * seconds))
                    found = claims.measure(url, count, seconds)
                    rate = len(found.claims) / seconds
                    alone = alone or rate
                    p50, p99 = _quantiles(found.claims)
                    _, late = _quantiles(found.heartbeats)
                    lines.append(
                        f"| {kind} | {history:,} | {count:,} | {rate:,.0f} | {rate / alone:.2f} | "
                        f"{p50:.1f} / {p99:.1f} | {late:.1f} | {found.busy} |"
                    )
                    print(lines[-1], flush=True)
                store.close()
    return [*lines, ""]


def _fleets(fleets: list[int], seconds: float) -> list[str]:
    if not fleets:
        return []
    lines = [
        "| supervisors | at work | transactions a second | of each | the server's processors | "
        "connections | longest since a heartbeat, s | a submission, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for count in fleets:
        for busy in (0, count):
            asked = fleet.measure(count, busy, seconds)
            lines.append(
                f"| {count:,} | {'all' if busy else 'none'} | {asked.transactions:,.0f} | "
                f"{asked.transactions / count:.1f} | {asked.processors:.2f} | "
                f"{asked.connections:,} | {asked.silent:.1f} | "
                + ("" if asked.submission != asked.submission else f"{asked.submission:.1f}")
                + " |"
            )
            print(lines[-1], flush=True)
    return [*lines, ""]


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds; NaN where there are fewer than two."""
    if len(seconds) < 2:
        return float("nan"), float("nan")
    cuts = statistics.quantiles(seconds, n=100)
    return 1000 * cuts[49], 1000 * cuts[98]


if __name__ == "__main__":
    main()
