"""Taking attempts along on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from webapp.log.batch import Batch
from webapp.log.writer import stamped, write
from webapp.models.audit import AuditEntry

START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def run(app, runtime):
    rows = {}
    for number in range(1, 5):
        at = START + timedelta(minutes=number)
        rows[number] = stamped(
            {
                "log_id": number, "call_id": number, "request_timestamp": at, "response_timestamp": at,
                "outcome": "failed" if number % 2 else "succeeded", "is_success": number % 2 == 0,
                "error_message": "余额不足" if number % 2 else None,
            }
        )  # fmt: skip
    write(runtime.engine, Batch(rows=rows))
    return lambda *args: app.test_cli_runner().invoke(args=["logs", "export", *args])


def test_a_search_is_printed_and_audited(run, runtime):
    ran = run("-q", "余额", "--from", "2026-01-02T03:02:00Z")

    assert ran.exit_code == 0, ran.output
    assert [json.loads(line)["log_id"] for line in ran.stdout.splitlines()] == ["3"]
    with runtime.sessions() as session:
        (entry,) = session.query(AuditEntry).filter_by(action="logs.export")
    assert (entry.actor, entry.detail["search"]["q"]) == ("cli", "余额")


def test_csv_ends_with_a_word_when_there_is_more(run):
    lines = run("--format", "csv", "--limit", "2").stdout.splitlines()

    assert lines[0].lstrip("\N{BOM}").startswith("log_id,")
    assert (len(lines), lines[-1]) == (4, "… more than 2 entries …")


@pytest.mark.parametrize(
    "args", [("-q", "foo:bar"), ("--from", "yesterday"), ("--format", "xml"), ("--limit", "0")]
)
def test_what_makes_no_sense_is_refused(run, args):
    ran = run(*args)

    assert ran.exit_code != 0
    assert "Traceback" not in ran.output
