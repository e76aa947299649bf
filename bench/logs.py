"""Load the call log and search it: `python -m bench.logs --rows 1000000 --database sqlite|postgresql`.

Rows, bodies, words and roll-ups are written by the writer of the log itself. Then every filter and some pairs are asked
for a page of 50, warm, and cold as far as that can be had: on SQLite with the file out of the page cache and a new
connection, on PostgreSQL with a new connection only; after them every pair, warm. Meanwhile another process writes
calls. At the end a day is taken away. A database that is kept (`--keep`) is found again the next time.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import logging
import os
import random
import signal
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from adapters.kit import SystemClock
from bench.kill import in_child
from bench.kill_drain import one_call
from bench.log_rows import DAYS, RARE, Rows
from webapp.db import make_engine, upgrade
from webapp.ids import id_at
from webapp.log.dayfiles import files_of
from webapp.log.filters import LogFilter, encode_cursor
from webapp.log.ledger import Ledger
from webapp.log.query import LogStore
from webapp.log.retention import Kept
from webapp.log.writer import write

SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"
WRITTEN_PER_S = 200
_MOSTLY = 0.8  # what was taken away at the end of a run is not loaded again
FILTERS = {
    "latest": {},
    "one service, busy": {"service_id": "s-00"},
    "one service, rare": {"service_id": RARE},
    "outcome failed": {"outcome": "failed"},
    "outcome unknown": {"q": "outcome:unknown"},
    "error code": {"error_code": "VENDOR_QUOTA"},
    "error code that never was": {"q": "code:NEVER_SEEN"},
    "status 503": {"status": "503"},
    "status 5xx": {"q": "status:5xx"},
    "slower than 5 s": {"q": "dur>5000"},
    "slower than 500 ms": {"q": "dur>500"},
    "second attempts": {"q": "tries>1"},
    "operation": {"operation": "payment.charge"},
    "operation that never was": {"q": "op:fax.send"},
    "type": {"service_type": "SMS_PROVIDER_ALIYUN"},
    "integration point": {"integration_point": "billing.monthly"},
    "correlation id": {"correlation_id": "ord-{number:08}"},
    "recipient": {"recipient": "x"},
    "text, common word": {"q": "sendgrid"},
    "text, exact id": {"q": "ord-{number:08}"},
    "text, two characters": {"q": "余额"},
    "text, six characters": {"q": "手机号码格式"},
    "text that never was": {"q": "zeppelin"},
    "service and failed": {"service_id": RARE, "outcome": "failed"},
    "service and text": {"service_id": RARE, "q": "余额不足"},
    "failed and text": {"outcome": "failed", "q": "余额不足"},
    "service and code": {"service_id": RARE, "error_code": "READ_TIMEOUT"},
    "service and slow": {"service_id": RARE, "q": "dur>5000"},
    "operation and failed": {"operation": "sms.send", "outcome": "failed"},
}  # fmt: skip


def store_of(engine):
    return LogStore(engine, SystemClock(), lambda purpose: purpose)


def load(url, count, now, place, processes):
    """Write the rows, each process those of other days; returns seconds and the durations of batches."""
    began = time.perf_counter()
    notes = [place / f"took-{part}.json" for part in range(processes)]
    children = [
        in_child(load_share, url, count, now, (part, processes), note) for part, note in enumerate(notes)
    ]
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, "The rows could not be written."
    seconds = time.perf_counter() - began
    return seconds, [one for note in notes for one in json.loads(note.read_text())]


def load_share(url, count, now, share, note):
    engine, took = make_engine(url), []
    for batch in Rows(count, now, seed=share[0] + 1).batches(share=share):
        started = time.perf_counter()
        write(engine, batch)
        took.append(time.perf_counter() - started)
    note.write_text(json.dumps(took))
    engine.dispose()


def write_on(url, directory):
    """Write calls at a steady rate, as the product does, until killed."""
    logging.disable(logging.CRITICAL)
    ledger = Ledger(directory, make_engine(url))
    while True:
        one_call(ledger)
        time.sleep(1 / WRITTEN_PER_S)


def asked(given, count, now, *, deep):
    """A filter with its random parts, and in every other asking a random place in time."""
    number = random.randrange(count)
    wanted = {name: value.format(number=number, rare=RARE) for name, value in given.items()}
    place = id_at(now - timedelta(days=DAYS) * random.random())
    return LogFilter.parse(wanted), encode_cursor(place) if deep else None


def measure(engine, given, count, now, times, *, cold):
    """Milliseconds of each page, and of the processor for it."""
    took, worked = [], []
    store = store_of(engine)
    for turn in range(times):
        wanted, cursor = asked(given, count, now, deep=turn % 2 == 1)
        if cold:
            forget(engine)
        started, begun = time.perf_counter(), time.process_time()
        store.search(wanted, 50, cursor)
        took.append((time.perf_counter() - started) * 1000)
        worked.append((time.process_time() - begun) * 1000)
    return took, worked


def forget(engine):
    """Let go of connections, and of the file's pages where that is in our hands."""
    engine.dispose()
    if files := files_of(engine):
        files.close()
        for path in (engine.url.database, *files.directory.glob("*.sqlite3")):
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def p95(values):
    return statistics.quantiles(values, n=20)[-1]


def search(engine, count, now, warm=30, cold=8):
    """Every filter, in ms: warm median of the processor, median and 95th percentile by the clock; cold median, longest."""
    table = {}
    for name, given in FILTERS.items():
        measure(engine, given, count, now, 2, cold=False)
        warmed, worked = measure(engine, given, count, now, warm, cold=False)
        fresh, _ = measure(engine, given, count, now, cold, cold=True)
        values = (
            statistics.median(worked),
            statistics.median(warmed),
            p95(warmed),
            statistics.median(fresh),
            max(fresh),
        )
        table[name] = " / ".join(f"{value:.1f}" for value in values)
        print(f"{name:28} {table[name]}", flush=True)
    return table


def pairs(engine, count, now, times=6):
    """Every two filters that can be asked for together, warm, in ms: the slowest ten, and the share within 15 and 50."""
    found = {}
    for (one, first), (other, second) in itertools.combinations(FILTERS.items(), 2):
        given = {**first, **second}
        if len(given) < len(first) + len(second):
            if first.keys() & second.keys() != {"q"}:
                continue
            given["q"] = f"{first['q']} {second['q']}"
        took, _ = measure(engine, given, count, now, times, cold=False)
        found[f"{one} + {other}"] = max(took)
    slowest = sorted(found.items(), key=lambda item: -item[1])[:10]
    return {
        "pairs": len(found),
        "median of the slowest ask of each": round(statistics.median(found.values()), 1),
        **{f"within {most} ms": f"{sum(took <= most for took in found.values()) / len(found):.0%}" for most in (15, 50)},
        "slowest": {name: round(took, 1) for name, took in slowest},
    }  # fmt: skip


def counts(engine):
    """Counting everything, and up to the cap."""
    store, result = store_of(engine), {}
    for name, wanted in {
        "count failed, capped": {"outcome": "failed"},
        "count text, capped": {"q": "sendgrid"},
    }.items():
        conditions = list(LogFilter.parse(wanted).conditions(str))
        took = []
        for _ in range(5):
            started = time.perf_counter()
            store.count(conditions)
            took.append((time.perf_counter() - started) * 1000)
        result[name] = round(statistics.median(took), 1)
    return result


def sizes(engine, count):
    """Bytes of an attempt, whole; on PostgreSQL by table."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages, free = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("page_count", "freelist_count")
            )
            days = store_of(engine).sizes()
            whole = {
                "calls and sums": (pages - free) * 4096,
                "files of the days": sum(day.row_bytes for day in days),
                "files of bodies": sum(day.body_bytes for day in days),
            }
        else:
            query = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE %s"
            whole = {
                table: int(connection.exec_driver_sql(query, (f"{table}%",)).scalar())
                for table in ("call_logs", "call_bodies", "call_words", "calls")
            }
        days = store_of(engine).sizes()
        bodies = sum(day.body_bytes for day in days)
        return {name: round(value / count) for name, value in whole.items()} | {
            "bodies, counted": round(bodies / count)
        }


def take_away(engine):
    """Take the oldest day away while calls are written."""
    store = store_of(engine)
    began = time.perf_counter()
    gone = store.prune(Kept(timedelta(days=DAYS - 1), timedelta(days=DAYS - 1)), 600)
    seconds = round(time.perf_counter() - began, 2)
    return {
        "attempts": gone.attempts,
        "calls": gone.calls,
        "MB free again": gone.size >> 20,
        "seconds": seconds,
    }


def run(url, rows, directory):
    engine = make_engine(url)
    upgrade(engine)
    now = datetime.now(UTC)
    there = sum(day.attempts for day in store_of(engine).sizes())
    report = {"database": engine.dialect.name, "rows": rows}
    if there < rows * _MOSTLY:
        processes = 2 if engine.dialect.name == "sqlite" else 1
        engine.dispose()
        seconds, took = load(url, rows, now, Path(directory).parent, processes)
        report["load"] = {
            "processes": processes, "rows/s": round(rows / seconds),
            "writer only, rows/s of a process": round(rows / sum(took)),
            "batch of 500, p50 / p99 / longest, ms": [
                round(value * 1000, 1) for value in (statistics.median(took), statistics.quantiles(took, n=100)[-1], max(took))
            ],
        }  # fmt: skip
        print(report["load"], flush=True)
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM (ANALYZE)")
    report["bytes of an attempt"] = sizes(engine, rows)
    engine.dispose()
    gc.collect()
    writer = in_child(write_on, url, directory)
    try:
        report["pages of 50, ms"] = search(engine, rows, now)
        report["pairs, slowest of 6, ms"] = pairs(engine, rows, now)
        report["counts, ms"] = counts(engine)
        report["a day taken away"] = take_away(engine)
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    engine.dispose()
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--keep", help="where to keep the database: a directory, or the name of a PostgreSQL database"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "journal"
        if given.database == "sqlite":
            path = Path(given.keep or place) / "patchbay.sqlite3"
            print(json.dumps(run(f"sqlite:///{path}", given.rows, directory), indent=1, ensure_ascii=False))
            return
        name = given.keep or f"bench_logs_{os.getpid()}"
        with psycopg.connect(SERVER, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        url = make_url(SERVER).set(drivername="postgresql+psycopg", database=name)
        print(
            json.dumps(
                run(url.render_as_string(hide_password=False), given.rows, directory),
                indent=1,
                ensure_ascii=False,
            )
        )
        if not given.keep:
            with psycopg.connect(SERVER, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


if __name__ == "__main__":
    main()
