"""The overview in a real browser: sound in every view, with traffic, without, and without scripts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import URL, add
from webapp.log import rollups
from webapp.log.rollups_tally import count

pytestmark = pytest.mark.browser


@pytest.fixture
def traffic(runtime, clock):
    """Two days of calls of two services, with failures, later tries and cost; answers the id of the first."""
    ids = [add(runtime, name, is_enabled=True) for name in ("Mail", "Text messages")]
    rows = []
    for number in range(300):
        outcome = ("failed", "unknown")[number % 2] if number % 17 == 0 else "succeeded"
        at = clock.now() - timedelta(minutes=number * 9)
        tries = 2 if number % 13 == 0 else 1
        rows.append({
            "kind": "attempt", "service_id": ids[number % 2], "request_timestamp": at, "created_at": at,
            "outcome": outcome, "code": None if outcome == "succeeded" else "READ_TIMEOUT",
            "duration_ms": 80 + number % 50 * 9, "attempt_no": tries, "attempts": tries, "candidate_no": tries,
            "cost": 35_000, "operation": "email.send", "contract": "EMAIL_SERVICE", "route": "signup",
        })  # fmt: skip
    with runtime.engine.begin() as connection:
        rollups.add(connection, count(rows, rows))
    return ids[0]


def test_the_overview_is_sound_everywhere(traffic, check_everywhere):
    check_everywhere("/overview")


def test_a_subject_and_a_service_are_sound(traffic, visit):
    for path, view in (
        ("/overview/route/signup?range=7d", View(PHONE, "dark", "zh-CN")),
        (f"{URL}/{traffic}?range=7d", View()),
    ):
        page = visit(path, view)
        page.locator("#latency summary").click()
        check_page(page)


def test_nothing_called_yet_is_sound(visit):
    page = visit("/overview", View(locale="zh-CN"), role="viewer")

    expect(page.locator("#numbers .empty")).to_be_visible()
    check_page(page)


def test_it_works_without_scripts(traffic, visit):
    page = visit("/overview", javascript=False)

    page.get_by_role("navigation", name="Range").get_by_role("link", name="7 days").click()
    expect(page.locator("#numbers-title")).to_contain_text("in the last 7 days")
    page.locator("#histogram summary").click()
    expect(page.locator("#histogram table")).to_be_visible()
    page.get_by_role("link", name="signup").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("signup")
