"""Kill the process that writes the log, at random points: `python -m bench.kill_drain --rounds 200`.

A process notes calls in its journal and drains it into the log; it is killed. Others take its journal over and are
killed as well, until one comes to its end. Then the roll-ups, the counts of the days and the words of the search have
to be those of the rows, and no row may be there twice.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from bench.kill import in_child
from webapp.db import make_engine, upgrade
from webapp.ids import call_id as new_id
from webapp.log.dayfiles import files_of
from webapp.log.days import known
from webapp.log.dayschema import BODIES, ROWS
from webapp.log.entries import Bodies
from webapp.log.ledger import Ledger
from webapp.log.rollups_repair import repair
from webapp.log.searchtext import words_of
from webapp.log.tables import call_bodies, call_logs, calls

CODES = (None, None, None, "VENDOR_RATE_LIMITED", "READ_TIMEOUT", "VENDOR_REJECTED")
SAID = ("", "余额不足,请充值", "The recipient is not on the allow list", "connection reset by peer")


def make_calls(url, directory, ready):
    """Note calls without end; the drain of this process writes them meanwhile."""
    logging.disable(logging.CRITICAL)
    ledger = Ledger(directory, make_engine(url))
    for number in range(10**9):
        one_call(ledger)
        if number == 0:
            os.write(ready, b"!")
        if number % 20 == 0:
            time.sleep(0.002)


def one_call(ledger):
    call_id, now = new_id(), datetime.now(UTC)
    word = f"w{call_id:x}"
    shared = {"operation": "email.send", "correlation_id": word, "contract": "email"}
    ledger.open(
        call_id, {**shared, "call_id": call_id, "created_at": now, "outcome": "pending", "attempts": 0}
    )
    attempts = random.choice((1, 1, 1, 2, 3))
    for number in range(1, attempts + 1):
        log_id, code = new_id(), random.choice(CODES)
        ledger.begin(
            call_id,
            {
                **shared, "log_id": log_id, "call_id": call_id, "kind": "attempt", "attempt_no": number, "candidate_no": 1,
                "service_id": random.choice("abc"), "request_timestamp": datetime.now(UTC), "outcome": "pending",
            },
        )  # fmt: skip
        if random.random() < 0.02:
            return  # is under way for ever
        outcome = "failed" if code else "succeeded"
        end = {
            "response_timestamp": datetime.now(UTC), "duration_ms": random.randrange(3_000), "is_success": not code,
            "outcome": outcome, "code": code, "error_message": random.choice(SAID) if code else None,
        }  # fmt: skip
        closing = {
            "finished_at": datetime.now(UTC),
            "outcome": outcome,
            "attempts": number,
            "code": code,
            "duration_ms": 9,
        }
        last = number == attempts
        ledger.end(call_id, log_id, end, Bodies({"A": "b"}, "{}", None, "ok"), closing if last else None)


def take_over(url, directory):
    """What any living process does every few seconds."""
    logging.disable(logging.CRITICAL)
    engine = make_engine(url)
    ledger = Ledger(directory, engine)
    ledger.write_late()
    ledger.close()
    engine.dispose()


def one_round(url, directory):
    """Let one write, kill it, kill some of those that take over; returns how many were killed."""
    ready_out, ready = os.pipe()
    child = in_child(make_calls, url, directory, ready)
    os.read(ready_out, 1)
    kill_after(child, random.uniform(0.01, 0.25))
    os.close(ready_out)
    os.close(ready)
    killed = 1
    while True:
        child = in_child(take_over, url, directory)
        if killed > 4 or not kill_after(child, random.uniform(0.0, 0.08)):
            _, status = os.waitpid(child, 0) if killed > 4 else (0, 0)
            assert status == 0, "A journal could not be taken over."
            return killed
        killed += 1


def kill_after(child, seconds):
    """False when it had come to its end by itself before; that has to have been a good one."""
    time.sleep(seconds)
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        assert status == 0, "A journal could not be taken over."
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def compare(url, directory):
    """What is written beside the rows against the rows."""
    engine = make_engine(url)
    rows = [dict(row) for row in in_places(engine, lambda place: place.execute(select(call_logs)).mappings())]
    expected = Counter(word for row in rows if row["response_timestamp"] for word in words_of(row))
    indexed = Counter()
    for word, count in in_places(engine, vocabulary):
        indexed[word] += count
    count_bodies = select(func.count()).select_from(call_bodies)
    bodies = sum(in_places(engine, lambda place: place.scalars(count_bodies), BODIES))
    pending = sum(row["outcome"] == "pending" for row in rows)
    twice = len(rows) - len({row["log_id"] for row in rows})
    with engine.connect() as connection:
        days = known(connection)
        all_calls = connection.execute(select(func.count()).select_from(calls)).scalar_one()
        connection.commit()
    now = datetime.now(UTC) + timedelta(minutes=1)
    wrong = repair(engine, now, now - timedelta(days=1))
    engine.dispose()
    return {
        "attempts": len(rows),
        "calls": all_calls,
        "died": sum(row["error_message"] == "process_died" for row in rows),
        "words_wrong": sum(((expected - indexed) + (indexed - expected)).values()),
        "sums_wrong": wrong,
        "days_wrong": abs(sum(day.attempts for day in days) - len(rows))
        + abs(sum(day.bodies for day in days) - bodies),
        "rows_doubled": twice,
        "left_pending": pending,
        "segments_left": len(list(Path(directory).glob("*.journal"))),
    }


def in_places(engine, ask, kind=ROWS):
    """What is found wherever attempts, or their bodies, lie."""
    files = files_of(engine)
    if files is None:
        with engine.connect() as connection:
            return list(ask(connection))
    found = []
    for day in files.days(kind):
        with files.reading(day, kind) as file:
            found += ask(file)
    return found


def vocabulary(connection):
    """Every word of the search with the number of its attempts."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'call_words', 'row')"
        )
        return connection.exec_driver_sql("SELECT term, doc FROM vocabulary").all()
    return connection.exec_driver_sql(
        "SELECT word, count(*) FROM call_words, unnest(words) AS word GROUP BY 1"
    ).all()


def run(url, directory, rounds):
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    killed = sum(one_round(url, directory) for _ in range(rounds))
    return {"rounds": rounds, "killed": killed, **compare(url, directory)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--database-url", help="an empty PostgreSQL database; SQLite unless given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        url = given.database_url or f"sqlite:///{place}/patchbay.sqlite3"
        print(json.dumps(run(url, Path(place) / "journal", given.rounds), indent=1))


if __name__ == "__main__":
    main()
