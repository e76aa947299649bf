"""The log page under odd input, its suggestions, exports and views by role."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import insert

from tests.web.services import add, words
from webapp.ids import uuid7
from webapp.log.batch import Batch
from webapp.log.writer import stamped, write
from webapp.models.audit import AuditEntry
from webapp.models.service import Service


@pytest.fixture
def attempts(runtime, clock):
    """Six attempts of a minute each; every second failed."""
    service_id = add(runtime, "Mail (main)", is_enabled=True)
    rows = {}
    for number in range(1, 7):
        at = clock.now() - timedelta(minutes=10 - number)
        failed = number % 2 == 0
        rows[number] = stamped(
            {
                "log_id": number, "call_id": number, "service_id": service_id, "kind": "attempt", "attempt_no": 1,
                "request_timestamp": at, "response_timestamp": at, "operation": "email.send",
                "outcome": "failed" if failed else "succeeded", "is_success": not failed,
                "code": "READ_TIMEOUT" if failed else None, "error_message": "=1+1" if failed else None,
                "integration_point": f"point.{number}", "duration_ms": number * 100,
            }
        )  # fmt: skip
    write(runtime.engine, Batch(rows=rows))


def found(page):
    return [number for number in range(1, 7) if f"point.{number}</span>" in page]


@pytest.mark.parametrize(
    ("q", "numbers"),
    [
        ("outcome:failed", [2, 4, 6]),
        ("-code:READ_TIMEOUT dur>100", [3, 5]),
        ('service:"Mail (main)" point:point.1,point.2', [1, 2]),
        ("read timeout", [2, 4, 6]),
        ("status:6xx outcome:failed", [2, 4, 6]),
    ],
)
def test_the_box_takes_the_language(operator_client, attempts, q, numbers):
    assert found(operator_client.get("/logs", query_string={"q": q}).text) == numbers


ODD = [
    {"q": "a\x00b"},
    {"q": "x" * 3000},
    {"q": "😀 \"'"},
    {"q": "'; DROP TABLE call_logs; --"},
    {"q": "<script>alert(1)</script>:x"},
    {"q": "%n %s %(x)s {{7*7}}"},
    {"from": "0001-01-01", "to": "9999-12-31T23:59:59Z"},
    {"from": "2030-01-01", "to": "2020-01-01"},
    {"from": "2126-01-01"},
    {"range": "100y", "cursor": "forged", "open": "9" * 40},
    {"open": "1e9", "tail": "x", "limit": "-1"},
    {"endpoint": "home.index", "_external": "1", "_anchor": "x", "_scheme": "x"},
    {"cursor": "bDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"},
]


@pytest.mark.parametrize("given", ODD)
def test_odd_input_is_told_or_ignored(operator_client, attempts, given):
    answer = operator_client.get("/logs", query_string=given)

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "\x00" not in answer.text
    assert found(operator_client.get("/logs").text) == [1, 2, 3, 4, 5, 6]


def test_a_wrong_part_is_underlined_and_what_was_typed_stays(operator_client, attempts):
    page = operator_client.get("/logs", query_string={"q": "outcome:failed stauts:5xx"}).text

    assert 'value="outcome:failed stauts:5xx"' in page
    assert ">stauts:5xx</mark>" in page
    assert "At character 16, “stauts:5xx”: There is no field “stauts”." in words(
        operator_client.get("/logs", query_string={"q": "outcome:failed stauts:5xx"})
    )


def test_a_number_that_no_call_has_is_not_found(operator_client):
    assert operator_client.get(f"/logs/{10**30}").status_code == 404


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", "outcome:failed"),
        ("ser", "service:"),
        ("service:ma", "service:&#34;Mail (main)&#34;"),
        ("dur&gt;5 -outcome:fa", None),
        ("x -code:READ", "x -code:READ_TIMEOUT"),
        ("outcome:failed,unk", "outcome:failed,unknown"),
    ],
)
def test_suggestions_continue_what_is_typed(operator_client, attempts, typed, expected):
    page = operator_client.get("/logs/suggestions", query_string={"q": typed}).text

    assert expected is None or f'<option value="{expected}">' in page


def test_new_rows_are_asked_for_and_nothing_new_is_nothing(operator_client, attempts):
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#rows"}

    assert operator_client.get("/logs?tail=1&newest=6", headers=headers).status_code == 204
    fresh = operator_client.get("/logs?tail=1&newest=5", headers=headers)
    assert (fresh.status_code, found(fresh.text)) == (200, [1, 2, 3, 4, 5, 6])


def test_an_operator_takes_a_search_along(operator_client, runtime, attempts):
    answer = operator_client.get("/logs/export?format=csv&q=outcome:failed+to:lin@example.com,a+point.2")
    everything = operator_client.get("/logs/export?format=csv&q=outcome:failed")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="patchbay-logs.csv"'
    lines = list(csv.DictReader(io.StringIO(everything.text.removeprefix("\N{BOM}"))))
    assert [line["log_id"] for line in lines] == ["6", "4", "2"]
    assert {line["error_message"] for line in lines} == {"'=1+1"}
    with runtime.sessions() as session:
        entries = session.query(AuditEntry).filter_by(action="logs.export").all()
    assert [entry.actor for entry in entries] == ["operator@example.com"] * 2
    assert "lin@" not in str([entry.detail for entry in entries])


def test_a_viewer_takes_nothing_along(viewer_client, attempts):
    assert viewer_client.get("/logs/export").status_code == 403
    assert "/logs/export" not in viewer_client.get("/logs").text


def test_a_view_is_saved_shared_and_deleted(operator_client, viewer_client, attempts):
    form = {"name": "夜间", "q": "outcome:failed", "range": "24h"}
    place = operator_client.post("/logs/views", data=form).headers["Location"]

    assert operator_client.get(place).headers["Location"] == "/logs?q=outcome:failed&range=24h"
    assert viewer_client.get(place).status_code == 404
    assert operator_client.post(f"{place}/share", data={"is_shared": "1"}).status_code == 303
    assert "夜间" in viewer_client.get("/logs").text
    assert viewer_client.post(f"{place}/share", data={"is_shared": ""}).status_code == 403
    assert viewer_client.post(f"{place}/delete").status_code == 403
    assert operator_client.post(f"{place}/delete").status_code == 303
    assert viewer_client.get(place).status_code == 404


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": ""}, "printable characters"),
        ({"name": "x", "q": "to:lin@example.com"}, "recipient cannot be saved"),
        ({"name": "x", "q": "foo:bar"}, "There is no field"),
        ({"name": "x", "range": "1y"}, "Choose one of"),
    ],
)
def test_a_view_that_cannot_be_kept_says_why(operator_client, form, said):
    answer = operator_client.post("/logs/views", data=form)

    assert answer.status_code == 422
    assert said in words(answer)


def test_among_very_many_services_those_on_the_page_can_be_chosen(operator_client, runtime, attempts, clock):
    now = clock.now()
    made = [
        {
            "service_id": uuid7(), "service_name": f"Other {number:03}", "name_key": f"other {number:03}", "revision": 1,
            "service_type": "EMAIL_PROVIDER_SENDGRID", "contract": "EMAIL_SERVICE", "is_enabled": False, "sandbox": False,
            "configurations": {}, "secrets": {}, "created_at": now, "updated_at": now,
        }
        for number in range(300)
    ]  # fmt: skip
    with runtime.engine.begin() as connection:
        connection.execute(insert(Service), made)

    page = operator_client.get(f"/logs?service_id={made[7]['service_id']}").get_data(as_text=True)
    everything = operator_client.get("/logs").get_data(as_text=True)

    others = re.compile("<option[^>]*>Other")
    assert (len(others.findall(page)), len(others.findall(everything))) == (1, 0)
    assert ">Mail (main)</option>" in everything
