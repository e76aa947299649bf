"""What every dashboard query costs at 100 thousand, 1 million and 10 million calls: `python -m bench.dashboards`.

Calls of 20 services over 30 days are counted by the product's own code into one database for each size. The queries
are those of the overview, of the page of a service, of the list of services and of Prometheus; sizes take turns, and
the median of the rounds is told. No row of the log itself is loaded, because none of these queries reads one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from sqlalchemy import Engine, make_url

from webapp.db import make_engine, upgrade
from webapp.log.metrics import RANGES, MetricStore
from webapp.log.rollups import add
from webapp.log.rollups_read import KEPT_S
from webapp.log.rollups_tally import HOUR_S, MINUTE_S, Tallies, Tally, count

POSTGRESQL = os.environ.get("PATCHBAY_BENCH_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
SERVICES, DAYS, SLICE = 20, 30, 100_000
CODES = ("READ_TIMEOUT", "VENDOR_SERVER_ERROR", "VENDOR_RATE_LIMITED", "RECIPIENT_INVALID")
CONTRACTS = ("EMAIL_SERVICE", "SMS_SERVICE", "PAYMENT_SERVICE", "HTTP_SERVICE")
MINUTES_FROM = NOW.replace(minute=0, second=0) - timedelta(seconds=KEPT_S[MINUTE_S])
SIZES = (100_000, 1_000_000, 10_000_000)


class Clock:
    """The moment up to which the calls were made."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def calls(number: int, rng: random.Random) -> Iterator[dict[str, object]]:
    """Calls spread over the days, each with one attempt."""
    for _ in range(number):
        service = min(int(rng.expovariate(0.25)), SERVICES - 1)
        at = NOW - timedelta(seconds=rng.random() * DAYS * 86_400)
        outcome = rng.choices(("succeeded", "failed", "unknown"), (96, 3.5, 0.5))[0]
        tries = 1 if rng.random() < 0.95 else 2
        contract = CONTRACTS[service % len(CONTRACTS)]
        yield {
            "kind": "attempt", "service_id": f"service-{service}", "request_timestamp": at, "created_at": at,
            "outcome": outcome, "code": None if outcome == "succeeded" else rng.choice(CODES),
            "duration_ms": int(rng.lognormvariate(5, 0.7)), "attempt_no": tries, "attempts": tries,
            "candidate_no": tries, "cost": 35_000 if service % 3 else None, "contract": contract,
            "operation": f"{contract.lower()[:5]}.send", "route": f"route-{service % 6}",
        }  # fmt: skip


def fill(engine: Engine, number: int) -> None:
    """Count them: by minutes as far back as minutes are kept, by hours before that."""
    rng, by_minute, by_hour = random.Random(7), {}, {}
    for start in range(0, number, SLICE):
        rows = list(calls(min(SLICE, number - start), rng))
        late = [row for row in rows if row["created_at"] >= MINUTES_FROM]
        early = [row for row in rows if row["created_at"] < MINUTES_FROM]
        merge(by_minute, count(late, late))
        merge(by_hour, count(early, early, grain_s=HOUR_S))
    with engine.begin() as connection:
        add(connection, by_minute)
        add(connection, by_hour, grain_s=HOUR_S)
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")


def merge(sums: Tallies, more: Tallies) -> None:
    for place, tally in more.items():
        sums.setdefault(place, Tally()).add(tally)


def queries(store: MetricStore) -> dict[str, Callable[[], object]]:
    """Each by the name of what shows it."""
    found: dict[str, Callable[[], object]] = {}
    for name in RANGES:
        found[f"all calls, {name}"] = lambda name=name: store.look(name, "all")
        found[f"one service, {name}"] = lambda name=name: store.look(name, "service", "service-0")
    for name in ("1h", "24h", "30d", "90d"):
        found[f"20 services with percentiles, {name}"] = lambda name=name: store.busiest(name, "service")
    found["contracts with percentiles, 24h"] = lambda: store.busiest("24h", "contract")
    found["routes with percentiles, 24h"] = lambda: store.busiest("24h", "route")
    found["success rates of the list, 24h"] = store.rates
    found["Prometheus"] = lambda: store.ever("service", "operation", "route")
    return found


def measure(engines: dict[int, Engine], rounds: int) -> list[dict[str, object]]:
    """The median in ms of each query at each size; the sizes take turns.

    On SQLite it is CPU time, which a busy machine does not change; PostgreSQL works elsewhere, so there it is the wait.
    """
    sqlite = all(engine.dialect.name == "sqlite" for engine in engines.values())
    clock = time.process_time if sqlite else time.perf_counter
    tables = {size: queries(MetricStore(engine, Clock())) for size, engine in engines.items()}
    lines = []
    for name in next(iter(tables.values())):
        times: dict[int, list[float]] = {size: [] for size in tables}
        for _ in range(rounds + 3):
            for size, table in tables.items():
                began = clock()
                table[name]()
                times[size].append((clock() - began) * 1000)
        medians = {size: statistics.median(of_size[3:]) for size, of_size in times.items()}
        smallest, largest = min(medians), max(medians)
        lines.append({"query": name, "ms": medians, "ratio": medians[largest] / medians[smallest]})
    return lines


@contextmanager
def database(kind: str, directory: Path) -> Iterator[Engine]:
    """A migrated database of its own, gone afterwards."""
    name = f"patchbay_bench_{uuid.uuid4().hex[:8]}"
    if kind == "postgresql":
        with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        url = make_url(POSTGRESQL).set(drivername="postgresql+psycopg", database=name)
    else:
        url = make_url(f"sqlite:///{directory / name}.sqlite3")
    engine = make_engine(url.render_as_string(hide_password=False))
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()
        if kind == "postgresql":
            with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES[:2])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engines = {}
        for size in args.sizes:
            engines[size] = stack.enter_context(database(args.database, directory))
            fill(engines[size], size)
        lines = measure(engines, args.rounds)
    heads = "".join(f"{size:>12,}" for size in args.sizes)
    print(f"{'ms (median), ' + args.database:44}{heads}{'ratio':>8}")
    for line in lines:
        numbers = "".join(f"{line['ms'][size]:12.2f}" for size in args.sizes)
        print(f"{line['query']:44}{numbers}{line['ratio']:8.2f}")
    if args.json:
        args.json.write_text(
            json.dumps({"database": args.database, "rounds": args.rounds, "queries": lines}, indent=1)
        )


if __name__ == "__main__":
    main()
