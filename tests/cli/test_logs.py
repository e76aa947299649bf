"""The call log on the command line: the newest attempts, and taking away old ones."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from webapp.ids import id_at


@pytest.fixture
def run(app):
    def invoke(*args):
        return app.test_cli_runner().invoke(args=["logs", *args])

    return invoke


@pytest.fixture
def ids(runtime, clock):
    """Three attempts on three days, the second one failed."""
    ids = []
    for day in range(3):
        at = clock.now() + timedelta(days=day)
        failed = day == 1
        runtime.log.insert_begin(
            {
                "log_id": id_at(at), "call_id": day, "request_timestamp": at, "response_timestamp": at, "duration_ms": 12,
                "request_endpoint": "POST https://api.example.com/send", "outcome": "failed" if failed else "succeeded",
                "is_success": not failed, "code": "READ_TIMEOUT" if failed else None, "response_status_code": 504 if failed else 202,
            }
        )  # fmt: skip
        ids.append(id_at(at))
    return ids


def test_the_newest_come_last(run, ids):
    lines = run("tail").output.splitlines()

    assert lines[0] == "2026-01-02T03:04:05Z  succeeded   202      12 ms  POST https://api.example.com/send"
    assert lines[1].endswith("READ_TIMEOUT")
    assert [line[:10] for line in lines] == ["2026-01-02", "2026-01-03", "2026-01-04"]
    assert [
        json.loads(line)["log_id"] for line in run("tail", "-n", "2", "--json").output.splitlines()
    ] == list(map(str, ids[1:]))


def test_a_search_chooses(run, ids):
    assert len(run("tail", "-q", "outcome:failed").output.splitlines()) == 1
    refused = run("tail", "-q", "outcome:perhaps")
    assert (refused.exit_code, "Choose one of" in refused.output) == (1, True)


def test_pruning_says_what_would_go_and_takes_it(run, ids, clock, runtime):
    clock.advance(timedelta(days=2).total_seconds())

    assert run("prune", "--days", "1", "--dry-run").output.startswith("1 attempts, 0 bodies, ")
    assert len(run("tail").output.splitlines()) == 3
    gone = run("prune", "--days", "1").output
    assert gone.startswith("1 attempts, 0 bodies, 0 calls went; ")
    assert "; 0 KB" not in gone
    assert len(run("tail").output.splitlines()) == 2
    assert run("prune").output == "0 attempts, 0 bodies, 0 calls went; 0 KB are free again.\n"
