"""The page of the log in each of its states: in both languages and themes, on a desk and a phone, and without scripts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from tests.logfiles import ask, change
from tests.ui.checks import forget
from tests.ui.conftest import LIGHT, check_themes
from webapp.log import rollups
from webapp.log.ledger import Ledger
from webapp.log.rollups_tally import SERVICE, Place, Tally

pytestmark = pytest.mark.browser


@pytest.fixture
def stale(runtime, clock, many):
    """Another process noted a call ninety seconds ago, and nobody has written it into the log since."""
    other = Ledger(runtime.ledger.journal.directory, runtime.engine)
    other.drain.wake = other.journal.written = lambda: None
    row = {
        "log_id": 900,
        "call_id": 900,
        "request_timestamp": clock.now(),
        "outcome": "pending",
        "kind": "local",
    }
    other.row(row)
    clock.advance(90)
    yield
    other.journal.close()


@pytest.fixture
def ten_million(runtime, clock, many):
    """Sums as they are after ten million attempts in thirty days; only the newest rows are there."""
    now_s = int(clock.now().timestamp())
    first = clock.now() - timedelta(days=30)
    earlier = text("UPDATE call_logs SET request_timestamp = :at WHERE log_id = 1")
    change(runtime.engine, earlier.bindparams(at=f"{first:%Y-%m-%d %H:%M:%S.%f}"))
    (second,) = ask(runtime.engine, text("SELECT service_id FROM call_logs WHERE log_id = 2"))
    service_id = second["service_id"]
    with runtime.engine.begin() as connection:
        tallies = {}
        for day in range(30):
            start_s = (now_s // 86_400 - day) * 86_400
            tallies[Place(SERVICE, service_id, start_s)] = Tally(
                total=333_333, succeeded=320_000, unknown=333, retried=4_000, codes={"READ_TIMEOUT": 13_333}, latencies={50: 333_333}
            )  # fmt: skip
        rollups.add(connection, tallies, grain_s=86_400)


def in_every_view(visit, path, words, role="owner"):
    for view in LIGHT:
        page = visit(path, view, role)
        expect(page.locator("main")).to_contain_text(words[view.locale[:2]])
        forget(page)
        check_themes(page)
        page.context.close()
    plain = visit(path, LIGHT[0], role, javascript=False)
    expect(plain.locator("main")).to_contain_text(words["en"])


def test_first_use(visit):
    in_every_view(visit, "/logs", {"en": "No calls yet", "zh": "还没有调用"})


def test_no_results(visit, many):
    in_every_view(visit, "/logs?q=code:NEVER_SEEN", {"en": "No attempt matches", "zh": "没有匹配的尝试"})


def test_error(visit, runtime, many):
    change(runtime.engine, text("ALTER TABLE call_logs RENAME TO call_logs_away"))
    in_every_view(visit, "/logs", {"en": "The log cannot be read now", "zh": "现在无法读取日志"})


def test_no_permission(visit, many):
    in_every_view(visit, "/logs", {"en": "Viewer", "zh": "观察者"}, role="member")


def test_stale(visit, stale):
    in_every_view(visit, "/logs", {"en": "The log has been waiting for 90 s", "zh": "日志已滞后 90 秒"})


def test_ten_million_rows(visit, ten_million):
    in_every_view(visit, "/logs", {"en": "10,000+ attempts", "zh": "10,000+"})


def test_a_call_without_the_right_to_payloads(visit, many):
    words = {"en": "shown to operators and administrators", "zh": "运维和管理员"}
    in_every_view(visit, "/logs/160", words, role="viewer")


def test_watching_says_when_no_answer_comes(visit, runtime, many):
    page = visit("/logs?tail=1")
    page.mouse.move(5, 5)
    page.context.set_offline(True)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('poll'))")
    expect(page.locator("[data-tail-live]")).to_have_text("No answer: what is shown may be old")
    expect(page.locator("#rows")).to_contain_text("email.send")
    page.context.set_offline(False)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('poll'))")
    expect(page.locator("[data-tail-live]")).to_have_text("Live")
