"""Quotas by calls and money: all limits or none, windows of a time zone, and refunds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import FixedClock
from webapp.engine.quota import Quotas, Rule, refund, rules_of, spend, used
from webapp.state import StateDown
from webapp.state.fallback import FallbackStore
from webapp.state.memory import MemoryStore


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def rule(window="day", limit=3, cost=1, zone="UTC", key="quota:a"):
    return Rule(key, window, limit, cost, zone)


def fill(rule, now, doc=None):
    """Spend until it is refused; how often it worked, the document, and the wait."""
    count = 0
    while True:
        after, spent = spend(doc, now, rule)
        if after is None:
            return count, doc, spent.wait_s
        count, doc = count + 1, after


@pytest.mark.parametrize(
    ("window", "zone", "now", "wait"),
    [
        ("minute", "UTC", "2026-03-01 10:00:20", 40),
        ("hour", "UTC", "2026-03-01 10:59:00", 60),
        ("day", "UTC", "2026-03-01 23:00:00", 3600),
        ("day", "Asia/Shanghai", "2026-03-01 15:30:00", 1800),
        ("month", "UTC", "2026-02-28 23:59:00", 60),
        ("month", "UTC", "2026-12-31 23:59:00", 60),
        ("month", "Asia/Shanghai", "2026-02-28 15:59:00", 60),
    ],
)
def test_a_window_fills_and_begins_anew(window, zone, now, wait):
    asked = rule(window, zone=zone)

    count, doc, seconds = fill(asked, at(now))

    assert (count, seconds) == (3, wait)
    assert used(doc, at(now) + wait, asked) == 0
    assert fill(asked, at(now) + wait, doc)[0] == 3


def test_the_day_of_a_change_of_clocks_is_shorter():
    _, _, wait = fill(rule(zone="Europe/Berlin"), at("2026-03-28 23:00:00"))

    assert wait == 23 * 3600


def test_a_rolling_day_forgets_hour_by_hour():
    asked, morning = rule("rolling_day"), at("2026-03-01 08:30:00")
    _, doc, wait = fill(asked, morning)

    assert wait == 24.5 * 3600
    assert spend(doc, morning + wait - 60, asked)[0] is None
    assert spend(doc, morning + wait, asked)[0] is not None


def test_a_refund_gives_room_again():
    _, doc, _ = fill(rule(), at("2026-03-01 10:00:00"))
    doc = refund(doc, at("2026-03-01 10:00:01"), rule())

    assert used(doc, at("2026-03-01 10:00:01"), rule()) == 2
    assert refund(None, 0, rule()) is None
    assert refund(doc, at("2026-03-02 00:00:01"), rule()) is None, "nothing of yesterday comes back today"


def test_rules_count_calls_units_money_and_recipients():
    quotas = {
        "calls": {"day": 100, "minute": None},
        "money": {"month": 20.5},
        "recipient_calls": {"hour": 5},
        "prices": {"sms.send": 0.045, "*": 1},
        "time_zone": "Asia/Shanghai",
    }

    found = list(rules_of(quotas, "s1", "sms.send", units=2, recipient="r"))

    assert [(one.key, one.limit, one.cost) for one in found] == [
        ("quota:s1:calls:day", 100, 2),
        ("quota:s1:money:month", 20_500_000, 90_000),
        ("quota:s1:r:recipient_calls:hour", 5, 2),
    ]
    assert {one.zone for one in found} == {"Asia/Shanghai"}
    other = list(rules_of(quotas, "s1", "email.send"))
    assert [one.cost for one in other] == [1, 1_000_000]
    assert list(rules_of(None, "s1", "email.send")) == []
    assert list(rules_of({"money": {"day": 1}}, "s1", "email.send")) == [], (
        "what costs nothing is not counted"
    )


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def quotas(clock):
    return Quotas(MemoryStore(clock))


def test_all_limits_or_none(quotas):
    wide, narrow = rule(limit=10, key="quota:wide"), rule(limit=2, key="quota:narrow")

    answers = [quotas.take([wide, narrow])[0] for _ in range(5)]

    assert answers[:2] == [0, 0]
    assert min(answers[2:]) > 0
    docs, now = quotas._store.read([wide.key, narrow.key])
    assert [used(doc, now, one) for doc, one in zip(docs, [wide, narrow], strict=True)] == [2, 2]
    assert quotas.left([wide]) == 0
    assert quotas.left([wide, narrow]) > 0
    assert quotas.left([]) == 0


def test_warnings_at_eighty_and_ninety_five_percent(quotas):
    crossed = []
    for number in range(1, 21):
        _, warnings = quotas.take([rule(limit=20)])
        crossed += [(number, share) for _, share in warnings]

    assert crossed == [(16, 0.8), (19, 0.95)]


def test_a_strict_quota_is_not_guessed(clock):
    class Down(MemoryStore):
        def update(self, *_, **__):
            raise StateDown("away")

    quotas = Quotas(FallbackStore(Down(clock), clock, processes=4))

    assert quotas.take([rule()])[0] == 0
    with pytest.raises(StateDown):
        quotas.take([rule()], strict=True)


@given(
    window=st.sampled_from(["minute", "hour", "day", "rolling_day", "month"]),
    steps=st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 3)), max_size=40),
)
def test_no_window_ever_holds_more_than_its_limit(window, steps):
    now, doc, taken = at("2026-01-30 21:00:00"), None, []
    for pause, cost in steps:
        now += pause
        after, spent = spend(doc, now, rule(window, limit=5, cost=cost))
        assert (after is None) == (spent.wait_s > 0)
        if after is not None:
            doc = after
            taken.append((now, cost))
        assert used(doc, now, rule(window)) <= 5
    if window == "rolling_day":
        for moment, _ in taken:
            assert sum(cost for at_, cost in taken if moment - 86_400 < at_ <= moment) <= 5
