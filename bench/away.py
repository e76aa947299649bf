"""Take the database away for a minute while calls are made: `python -m bench.away --seconds 60 [--database URL]`.

SQLite is locked by another connection; PostgreSQL (a database of its own is made beside URL) ends every connection and
accepts no new one. Says how long calls took before and meanwhile, and what became of them in the log afterwards.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from adapters.kit import EgressPolicy
from bench.vendor import vendor
from webapp.config import Config
from webapp.db import upgrade
from webapp.registry import services
from webapp.runtime import Runtime

THREADS, BEFORE_S, PAUSE_S, CAUGHT_UP_S = 4, 3, 0.05, 60
MAIL = {"to": "lin@example.com", "subject": "Hi", "text": "Hello"}
NAME = "patchbay_away"


@contextmanager
def own_database(server, place):
    """The address of an empty database, and a context in which nobody reaches it."""
    if server is None:
        path = place / "patchbay.sqlite3"
        yield f"sqlite:///{path}", lambda: locked(path)
        return
    admin = create_engine(make_url(server), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {NAME}"))
        try:
            url = make_url(server).set(database=NAME)
            yield url.render_as_string(hide_password=False), lambda: refused(connection)
        finally:
            connection.execute(text(f"DROP DATABASE {NAME} WITH (FORCE)"))
    admin.dispose()


@contextmanager
def locked(path):
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@contextmanager
def refused(connection):
    connection.execute(text(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false"))
    connection.execute(
        text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": NAME}
    )
    yield
    connection.execute(text(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true"))


def prepare(runtime, url):
    upgrade(runtime.engine)
    runtime.vault.prepare()
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="Mail", service_type="EMAIL_PROVIDER_SENDGRID", actor="bench", origin="cli",
            is_enabled=True,
            configurations={"api_key": "SG.0123456789", "from_email": "a@example.com", "base_url": url},
        )  # fmt: skip
        session.commit()
        return made.service_id


def keep_calling(runtime, service_id, until):
    """Call at a steady pace until then: milliseconds and id of each call."""
    made, wrong = [], []

    def work():
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                call_id = runtime.hub.call("email.send", MAIL, prefer=service_id).call_id
                made.append(((time.perf_counter() - began) * 1000, call_id))
            except Exception as error:  # noqa: BLE001 - whatever it is, it counts as a call that failed
                wrong.append(str(error))
            time.sleep(PAUSE_S)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made, wrong


def shares(made):
    took = sorted(one for one, _ in made)
    return {
        "calls": len(took),
        "p50_ms": round(took[len(took) // 2], 1),
        "p99_ms": round(took[int(len(took) * 0.99)], 1),
        "max_ms": round(took[-1], 1),
    }


def run(seconds, server=None):
    """Returns the figures."""
    with (
        tempfile.TemporaryDirectory() as folder, vendor() as url, own_database(server, Path(folder)) as (database, away),
    ):  # fmt: skip
        config = Config(Path(folder), database, egress=EgressPolicy.parse("127.0.0.0/8"))
        runtime = Runtime.create(config)
        try:
            service_id = prepare(runtime, url)
            keep_calling(
                runtime, service_id, time.monotonic() + 1
            )  # the first calls open what all others share
            before, _ = keep_calling(runtime, service_id, time.monotonic() + BEFORE_S)
            with away():
                made, wrong = keep_calling(runtime, service_id, time.monotonic() + seconds)
                waiting = runtime.recorder.backlog().own
            began = time.monotonic()
            while runtime.recorder.backlog().own and time.monotonic() - began < CAUGHT_UP_S:
                runtime.recorder.flush()
                time.sleep(0.05)
            caught_up = time.monotonic() - began
            ends = [runtime.log.call(call_id) for _, call_id in before + made]
            lost = sum(end is None or end.outcome != "succeeded" for end in ends)
        finally:
            runtime.close()
    return {
        "seconds": seconds, "before": shares(before), "away": shares(made), "failed": len(wrong), "lost": lost,
        "waiting_bytes": waiting, "caught_up_s": round(caught_up, 2), "words": sorted(set(wrong))[:3],
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", help="address of a PostgreSQL database whose server may be used")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(json.dumps(run(given.seconds, given.database), indent=1))


if __name__ == "__main__":
    main()
