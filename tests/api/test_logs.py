"""The log over HTTP: the search language, counts, pages, exports and saved views."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tests.logfiles import change_bodies
from webapp.log.batch import Batch
from webapp.log.entries import Bodies
from webapp.log.filters import encode_cursor
from webapp.log.tables import call_bodies
from webapp.log.writer import stamped, write
from webapp.models.audit import AuditEntry

LOGS = "/integrations/logs"
START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


def rows(count, **changes):
    """Finished attempts, one a second, by their ids."""
    made = {}
    for number in range(1, count + 1):
        at = START + timedelta(seconds=number)
        made[number] = stamped(
            {
                "log_id": number,
                "call_id": number,
                "service_type": "EMAIL_PROVIDER_SMTP",
                "request_timestamp": at,
                "response_timestamp": at,
                "request_endpoint": "POST https://api.example.com/send",
                "operation": "email.send",
                "outcome": "failed" if number % 3 == 0 else "succeeded",
                "is_success": number % 3 != 0,
                "code": "READ_TIMEOUT" if number % 3 == 0 else None,
                "error_message": "余额不足" if number % 3 == 0 else None,
                "duration_ms": number * 100,
            }
            | changes
        )
    return made


@pytest.fixture
def attempts(runtime):
    """Nine attempts; every third failed."""
    write(runtime.engine, Batch(rows=rows(9)))


def test_the_language_of_the_page_searches_here_too(client, token, attempts):
    answer = client.get(LOGS, query_string={"q": "outcome:failed dur>300 余额"}, headers=token("logs:read"))

    assert [item["log_id"] for item in answer.json["items"]] == ["9", "6"]
    assert "count" not in answer.json


def test_a_count_is_told_where_it_is_asked(client, token, attempts):
    answer = client.get(
        LOGS, query_string={"q": "-code:READ_TIMEOUT", "count": "true", "limit": 2}, headers=token()
    )

    assert (answer.json["count"], len(answer.json["items"])) == ("6", 2)


def test_a_count_stops_somewhere(client, token, runtime):
    write(runtime.engine, Batch(rows=rows(10_002)))

    assert (
        client.get(LOGS, query_string={"count": "true", "limit": 1}, headers=token()).json["count"]
        == "10000+"
    )


def test_pages_follow_each_other(client, token, attempts):
    found, cursor, headers = [], None, token()
    while True:
        given = {"q": "email.send", "limit": 4} | ({"cursor": cursor} if cursor else {})
        page = client.get(LOGS, query_string=given, headers=headers).json
        found += [item["log_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert found == [str(number) for number in range(9, 0, -1)]


BAD = [
    ({"q": "status:6xx"}, "/q", "HTTP status"),
    ({"q": "foo:bar"}, "/q", "At character 1"),
    ({"q": '"open'}, "/q", "not closed"),
    ({"q": "x" * 2001}, "/q", "2000"),
    ({"q": "a\x00b"}, "/q", "ontrol"),
    ({"q": "😀"}, "/q", "no letter or digit"),
    ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "/to", "later"),
    ({"from": "tomorrow"}, "/from", "date"),
    ({"limit": "0"}, "/limit", "1"),
    ({"limit": "201"}, "/limit", "200"),
    ({"count": "perhaps"}, "/count", "true or false"),
    ({"cursor": "forged"}, "/cursor", "cursor"),
    ({"cursor": encode_cursor(2**70)}, "/cursor", "cursor"),
    ({"min_duration_ms": "9" * 18}, "/min_duration_ms", "whole number"),
]


@pytest.mark.parametrize(("given", "pointer", "words"), BAD)
def test_what_makes_no_sense_is_refused_with_its_place(client, token, given, pointer, words):
    answer = client.get(LOGS, query_string=given, headers=token("logs:read"))

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert words in answer.json["errors"][0]["message"]


ODD = [
    {"q": "'; DROP TABLE call_logs; --"},
    {"q": '"" OR 1=1'},
    {"q": "AND OR NOT NEAR(a b)"},
    {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"},
    {"from": "2126-01-01T00:00:00Z"},
    {"to": "1926-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("given", ODD)
def test_odd_searches_find_nothing_worse_than_nothing(client, token, attempts, given):
    answer = client.get(LOGS, query_string=given | {"count": "true"}, headers=token("logs:read"))

    assert answer.status_code in {200, 422}
    assert client.get(LOGS, headers=token()).json["items"]


def test_a_search_is_taken_along_as_csv(client, token, runtime):
    formula = "=HYPERLINK('http://evil')"
    write(runtime.engine, Batch(rows=rows(3, error_message=formula, integration_point="@SUM(1)")))

    answer = client.get(f"{LOGS}/export", query_string={"q": "outcome:failed"}, headers=token("logs:read"))

    assert answer.content_type == "text/csv; charset=utf-8"
    (line,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\N{BOM}")))
    assert (line["log_id"], line["error_message"], line["integration_point"]) == (
        "3",
        f"'{formula}",
        "'@SUM(1)",
    )


def test_an_export_as_ndjson_says_where_it_ends(client, token, attempts):
    given = {"format": "ndjson", "limit": 4}
    answer = client.get(f"{LOGS}/export", query_string=given, headers=token("logs:read"))

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line.get("log_id") for line in lines] == ["9", "8", "7", "6", None]
    assert lines[-1] == {"truncated": True, "limit": 4}


def test_an_export_is_in_the_audit_without_whom_it_looked_for(client, token, runtime, attempts):
    given = {"q": "to:lin@example.com outcome:failed", "recipient": "lin@example.com"}
    client.get(f"{LOGS}/export", query_string=given, headers=token("logs:read"))

    with runtime.sessions() as session:
        (entry,) = session.query(AuditEntry).filter_by(action="logs.export")
    assert entry.actor == "token:tests"
    assert entry.detail["search"] == {"q": "to:*** outcome:failed", "recipient": "***"}


@pytest.mark.parametrize(
    "given", [{"format": "xlsx"}, {"limit": "100001"}, {"cursor": "x"}, {"q": "foo:bar"}]
)
def test_an_export_that_makes_no_sense_is_refused(client, token, given):
    assert client.get(f"{LOGS}/export", query_string=given, headers=token("logs:read")).status_code == 422


def test_an_export_needs_the_scope(client, token):
    assert client.get(f"{LOGS}/export", headers=token("services:read")).status_code == 403


def test_a_view_is_kept_changed_shared_and_deleted(client, token):
    mine, other = token("logs:read"), token("logs:read")
    body = {"name": "夜间失败", "search": {"q": "outcome:failed", "range": "24h"}}
    made = client.post(f"{LOGS}/views", json=body, headers=mine)
    place = made.headers["Location"]

    assert made.status_code == 201
    assert (made.json["search"], made.json["is_own"], made.json["is_shared"]) == (body["search"], True, False)
    assert client.get(place, headers=other).status_code == 404
    assert client.patch(place, json={"is_shared": True}, headers=mine).json["is_shared"]
    assert [view["name"] for view in client.get(f"{LOGS}/views", headers=other).json["items"]] == ["夜间失败"]
    assert client.patch(place, json={"name": "x"}, headers=other).status_code == 403
    assert client.delete(place, headers=other).status_code == 403
    assert client.delete(place, headers=mine).status_code == 204
    assert client.get(f"{LOGS}/views", headers=mine).json["items"] == []


BAD_VIEWS = [
    ({"name": "", "search": {}}, "/name"),
    ({"name": "a\x1bb", "search": {}}, "/name"),
    ({"name": "x" * 81, "search": {}}, "/name"),
    ({"name": "x", "search": {"q": "foo:bar"}}, "/search/q"),
    ({"name": "x", "search": {"range": "1y"}}, "/search/range"),
    ({"name": "x", "search": {"endpoint": "x"}}, "/search/endpoint"),
    ({"name": "x", "search": {"q": "to:lin@example.com"}}, "/search/q"),
    ({"name": "x", "search": {"recipient": "lin@example.com"}}, "/search/recipient"),
    ({"name": "x", "search": {"q": 1}}, "/search/q"),
    ({"name": "x"}, "/search"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD_VIEWS)
def test_a_view_that_cannot_be_kept_is_refused(client, token, body, pointer):
    answer = client.post(f"{LOGS}/views", json=body, headers=token("logs:read"))

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


def test_two_views_of_one_name_are_one_too_many(client, token):
    headers = token("logs:read")
    body = {"name": "x", "search": {}}
    client.post(f"{LOGS}/views", json=body, headers=headers)

    answer = client.post(f"{LOGS}/views", json=body, headers=headers)

    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "taken")


def test_a_body_that_cannot_be_decoded_is_told_as_such(client, token, runtime):
    write(runtime.engine, Batch(rows=rows(1), bodies={1: Bodies({"A": "b"}, "{}", None, None)}))
    change_bodies(runtime.engine, update(call_bodies).values(packed=b"damaged"))

    answer = client.get(f"{LOGS}/1", headers=token("logs:read", "logs:read_payload"))
    without = client.get(f"{LOGS}/1", headers=token("logs:read"))

    assert (answer.status_code, answer.json["bodies_unreadable"], answer.json["request_payload"]) == (
        200,
        True,
        None,
    )
    assert (without.status_code, "bodies_unreadable" in without.json) == (200, False)
