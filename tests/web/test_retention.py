"""The Retention page: what is kept, what waits to go, and what a change would free."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.ids import id_at
from webapp.log.dayfiles import files_of
from webapp.log.days import day_at
from webapp.log.entries import Bodies

PAGE = "/settings/system/retention"


def add(runtime, at):
    row = {"log_id": id_at(at), "call_id": 1, "request_timestamp": at, "outcome": "pending"}
    runtime.log.insert_begin(row)
    end = {"response_timestamp": at, "outcome": "succeeded", "is_success": True}
    runtime.log.insert_end(id_at(at), end, Bodies(request_payload="x" * 3_000))


@pytest.fixture
def days(runtime, clock):
    """An attempt with bodies on each of five days, the last one today."""
    for back in range(5):
        add(runtime, clock.now() - timedelta(days=back))


def test_it_shows_what_is_kept_day_by_day(admin_client, days):
    text = admin_client.get(PAGE).text

    assert all(f"2026-01-0{day}" in text for day in (1, 2))
    assert "2025-12-29" in text
    assert "Nothing is past its time." in text
    assert "Nothing would go." in text


def test_a_day_whose_file_is_gone_is_named_on_the_pages(admin_client, days, runtime, clock):
    files = files_of(runtime.engine)
    if files is None:
        pytest.skip("PostgreSQL keeps days as parts of tables")
    files.close()
    files.path(day_at(clock.now() - timedelta(days=2))).unlink()

    shown = admin_client.get(PAGE).text
    found = admin_client.get("/logs").text

    assert shown.count("cannot be read") == 1
    assert "cannot be read, its files are damaged or missing: 2025-12-31." in found
    assert "无法读取以下日期的日志" in admin_client.get("/logs", headers={"Accept-Language": "zh-CN"}).text


def test_a_change_is_worked_out_and_changes_nothing(admin_client, days, runtime):
    tried = admin_client.get(f"{PAGE}?bodies=1&attempts=3&most_mb=0").text
    assert "1 attempts and 3 bodies." in tried

    block = admin_client.get(
        f"{PAGE}?bodies=1&attempts=3", headers={"HX-Request": "true", "HX-Request-Type": "partial"}
    ).text
    assert "1 attempts and 3 bodies." in block
    assert "<h1" not in block
    assert len(runtime.log.sizes()) == 5


@pytest.mark.parametrize(
    "given", ["bodies=-1", "bodies=x", "attempts=%00", "most_mb=9999999999999999", "attempts=0&bodies=99999"]
)
def test_what_makes_no_sense_is_not_tried(admin_client, days, given):
    answer = admin_client.get(f"{PAGE}?{given}")

    assert answer.status_code == 200
    assert "Nothing would go." in answer.text or "attempts=0" in given


def test_what_is_overdue_is_said(admin_client, runtime, clock):
    add(runtime, clock.now() - timedelta(days=60))

    assert "1 attempts and 1 bodies have had their time" in admin_client.get(PAGE).text


def test_who_may_not_see_it(viewer_client):
    assert viewer_client.get(PAGE).status_code == 403
