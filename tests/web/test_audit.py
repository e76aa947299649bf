"""The audit's page: finding entries, taking them along, and verifying the chain."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os

import pytest
from sqlalchemy import text

from tests.people import make_user, sign_in
from webapp.accounts import alarm, throttle
from webapp.vault import anchor, audit

PAGE = "/settings/audit"


@pytest.fixture
def entries(runtime, admin):
    """Sixty entries by two people, an hour apart."""
    with runtime.sessions() as session:
        for number in range(60):
            audit.append(
                session,
                runtime,
                actor=f"{'lin' if number % 2 else 'mei'}@example.com",
                action="service.update" if number % 3 else "user.role",
                target=f"service-{number}",
                detail={"note": f"=cmd|' /C calc'!A{number}", "fields": ["a", "b"]},
            )
            runtime.clock.advance(3600 if number < 59 else 0)
        session.commit()


@pytest.fixture
def reader(app, admin, entries):
    """An administrator who signs in after all that."""
    return sign_in(app.test_client(), admin)


def targets(answer):
    return [f"service-{n}" for n in range(60) if f">service-{n}<" in answer.text]


def test_newest_first_a_page_at_a_time(reader):
    first = reader.get(PAGE)
    assert len(targets(first)) == 49 or len(targets(first)) == 50

    found = first.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    second = reader.get(found.replace("&amp;", "&"))

    assert not set(targets(first)) & set(targets(second))
    assert set(targets(first)) | set(targets(second)) == {f"service-{n}" for n in range(60)}


def test_filters_narrow_and_the_address_is_the_search(reader):
    assert targets(reader.get(f"{PAGE}?actor=lin@example.com&action=user.role")) == [
        f"service-{n}" for n in range(60) if n % 2 and n % 3 == 0
    ]
    assert targets(reader.get(f"{PAGE}?target=service-7")) == ["service-7"]
    assert len(targets(reader.get(f"{PAGE}?action=user."))) == 20
    assert "No entry matches" in reader.get(f"{PAGE}?actor=nobody").text


def test_times_are_compared_in_utc_and_nonsense_is_explained(reader, runtime):
    since = runtime.clock.now().isoformat().replace("+00:00", "Z")

    assert targets(reader.get(f"{PAGE}?action=service.update&from={since}")) == ["service-59"]
    assert "Enter a time such as" in reader.get(f"{PAGE}?from=yesterday").text
    for cursor in ("x", "-1", "99999999999999999999"):
        assert reader.get(f"{PAGE}?cursor={cursor}").status_code == 200, cursor


def test_csv_runs_nothing_in_a_spreadsheet(reader):
    answer = reader.get(f"{PAGE}/export?format=csv&actor=mei@example.com")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert len(rows) == 30
    assert {row["actor"] for row in rows} == {"mei@example.com"}
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row.values())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_every_start_of_a_formula_is_quoted(start):
    from webapp.web.audit import safe_cell

    assert safe_cell(f"{start}1+1") == f"'{start}1+1"
    assert safe_cell("plain") == "plain"


def test_ndjson_holds_everything_that_is_needed_to_check_the_chain(reader):
    lines = reader.get(f"{PAGE}/export?format=ndjson").text.splitlines()
    rows = [json.loads(line) for line in lines]

    assert [row["seq"] for row in rows] == sorted((row["seq"] for row in rows), reverse=True)
    assert all(newer["prev"] == older["mac"] for newer, older in itertools.pairwise(rows))
    assert any(row["detail"].get("fields") == ["a", "b"] for row in rows)


def test_verify_says_that_it_is_whole(reader):
    answer = reader.post(f"{PAGE}/verify")

    assert answer.status_code == 200
    assert "The audit is whole" in answer.text


def forge(runtime, statement):
    with runtime.engine.begin() as connection:
        if runtime.engine.dialect.name == "sqlite":
            for trigger in ("no_update", "no_delete"):
                connection.execute(text(f"DROP TRIGGER audit_entries_{trigger}"))
        else:
            connection.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit_entries SET actor = 'x' WHERE seq = 9", "Entry 9 was changed"),
        ("DELETE FROM audit_entries WHERE seq = 9", "Entry 9 is missing"),
    ],
)
def test_verify_names_what_is_wrong(reader, runtime, statement, words):
    forge(runtime, statement)

    assert words in reader.post(f"{PAGE}/verify").text


def test_a_tail_that_was_cut_off_is_noticed(reader, runtime):
    os.utime(runtime.config.data_dir / anchor.FILE, (0, 0))
    audit.keep_head(runtime)
    last = anchor.read(runtime).seq
    forge(runtime, f"DELETE FROM audit_entries WHERE seq > {last - 5}")

    answer = reader.post(f"{PAGE}/verify")

    assert f"Entries from {last - 4} on were cut off" in answer.text


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_it_is_for_administrators(app, client, role):
    sign_in(client, make_user(app, role))
    for path in ("", "/export"):
        assert client.get(PAGE + path).status_code == 403
    assert client.post(f"{PAGE}/verify").status_code == 403


def test_many_failed_sign_ins_are_a_banner_for_who_reads_the_audit(admin_client, viewer_client, runtime):
    for number in range(alarm.ACCOUNTS):
        throttle.note_failure(runtime, throttle.Attempt(f"p{number}@example.com", f"198.51.100.{number}"))

    assert "Many sign-ins fail" in admin_client.get("/settings/integrations").text
    assert "Many sign-ins fail" not in viewer_client.get("/settings/integrations").text
    assert "Many sign-ins failed" in admin_client.get("/settings/audit").text
