"""Processes that are killed while they call lose nothing and double nothing; a locked database delays no call."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.conftest import MAIL

ROUNDS = 50
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_fifty_kills_lose_no_call_and_double_none():
    found = subprocess.run(
        [sys.executable, "-m", "bench.kill", "--rounds", str(ROUNDS)],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False, env=dict(os.environ),
    )  # fmt: skip

    assert found.returncode == 0, found.stderr
    counts = json.loads(found.stdout)
    assert counts["finished"] > ROUNDS
    wrong = (
        "finished_lost",
        "sent_without_trace",
        "sent_twice",
        "rows_doubled",
        "left_pending",
        "segments_left",
    )
    assert {name: counts[name] for name in wrong} == dict.fromkeys(wrong, 0)


def test_a_locked_database_delays_no_call(request, runtime, vendor, service):
    if request.config.getoption("--database") != "sqlite":
        pytest.skip("only SQLite locks the whole database")
    mail = service(vendor().url)
    runtime.hub.call("email.send", MAIL, prefer=mail)
    assert runtime.recorder.flush()
    path = runtime.engine.url.database

    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        took = []
        results = []
        end = time.monotonic() + 3
        while time.monotonic() < end:
            began = time.monotonic()
            results.append(runtime.hub.call("email.send", MAIL, prefer=mail).call_id)
            took.append(time.monotonic() - began)
        other.execute("ROLLBACK")

    assert max(took) < 1.0
    deadline = time.monotonic() + 15
    while runtime.recorder.backlog().own and time.monotonic() < deadline:
        runtime.recorder.flush()
        time.sleep(0.01)
    assert all(runtime.log.call(call_id).outcome == "succeeded" for call_id in results)
