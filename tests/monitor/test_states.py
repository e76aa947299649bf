"""What a check finds, and the state that follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.kit import Stage
from webapp.log.entries import LogEntry
from webapp.monitor.findings import Finding, from_stages, from_traffic
from webapp.monitor.states import after_check
from webapp.registry.fields import HealthPolicy

START = datetime(2026, 1, 2, tzinfo=UTC)
POLICY = HealthPolicy()
OK = [Stage.ok("settings", "x"), Stage.ok("authentication", "x")]
WARNED = [*OK, Stage.warning("permission", "x")]
REFUSED = [Stage.ok("settings", "x"), Stage.failed("authentication", "x", code="VENDOR_AUTH_REJECTED")]
DEAD = [Stage.ok("settings", "x"), Stage.failed("tcp", "x", code="CONNECT_REFUSED")]
NO_QUOTA = [*OK, Stage.failed("quota", "x", code="VENDOR_QUOTA_EXHAUSTED")]
SILENT = [Stage.ok("settings", "x"), Stage.ok("dns", "x"), Stage.ok("tcp", "x")]
H, P, D, R, W = "healthy", "pending", "down", "reauth", "degraded"


def run(marks, policy=POLICY, every=timedelta(minutes=1)):
    """The healths after checks that left these marks, a minute apart."""
    health, seen = None, []
    for number, mark in enumerate(marks):
        code = {"x": "CONNECT_REFUSED", "r": "VENDOR_AUTH_REJECTED"}.get(mark)
        health = after_check(Finding(mark, code), health, policy, START + every * number)
        seen.append(health)
    return seen


def states(marks, **changes):
    return [health.state for health in run(marks, POLICY.model_copy(update=changes))]


@pytest.mark.parametrize(
    ("stages", "mark", "verdict"),
    [
        (OK, "+", "verified"),
        (SILENT, "+", "unverifiable"),
        (WARNED, "w", "limited"),
        (NO_QUOTA, "w", "limited"),
        (REFUSED, "r", "rejected"),
        (DEAD, "x", "failed"),
        ([], "x", "failed"),
    ],
)
def test_stages_come_to_a_mark_and_a_verdict(stages, mark, verdict):
    finding = from_stages(stages)

    assert (finding.mark, finding.verdict) == (mark, verdict)


def test_a_slow_check_is_a_warning_with_its_reason():
    stages = [Stage("tcp", "ok", Stage.ok("tcp", "x").message, duration_ms=900)]

    assert from_stages(stages, slow_ms=1000).mark == "+"
    assert from_stages(stages, slow_ms=500).mark == "w"
    assert from_stages(stages, slow_ms=500).stages[-1]["name"] == "latency"


def test_states_follow_the_vocabulary():
    assert states("+w+") == [H, W, H]
    assert states("+xxxx+") == [H, P, P, D, D, D]
    assert states("+rr") == [H, P, R]
    assert states("xrr") == [P, P, R]


def test_three_of_the_last_five_are_enough():
    assert states("x+x+x") == [P, H, P, H, D]
    assert states("x++x++x") == [P, H, H, P, H, H, P]


def test_coming_back_has_a_threshold_of_its_own():
    assert states("xxx+x++") == [P, P, D, D, D, D, H]
    assert states("xxx+", up_after=1) == [P, P, D, H]
    assert states("rr+w") == [P, R, R, W]


def test_after_the_return_one_failure_is_one_failure():
    assert states("xxx++x") == [P, P, D, D, H, P]


def test_refused_and_unreachable_can_follow_each_other():
    assert states("xxxrr") == [P, P, D, D, R]
    assert states("rrxxx") == [P, R, R, R, D]


def test_one_refusal_is_not_believed():
    assert states("+r+") == [H, P, H]


def test_what_flaps_is_held():
    marks = "xxx++" * 3 + "+" * 4
    seen = run(marks)

    assert [health.state for health in seen[:10]] == [P, P, D, D, H, P, P, D, D, H]
    # The third fall within an hour: two good checks are not enough any more, six are.
    assert seen[12].is_flapping
    assert [health.state for health in seen[12:]] == [D, D, D, D, D, D, H]


def test_flapping_is_forgotten_after_an_hour():
    seen = run("xxx++" * 4, every=timedelta(minutes=10))

    assert [health.state for health in seen[-3:]] == [D, D, H]


def test_since_is_when_the_state_began_and_the_code_stays():
    first, second, third, fourth, fifth = run("xxxx+")

    assert (second.since, third.since, fourth.since) == (
        START,
        START + timedelta(minutes=2),
        START + timedelta(minutes=2),
    )
    assert (fourth.failures, fourth.code) == (4, "CONNECT_REFUSED")
    assert (fifth.state, fifth.failures, fifth.code) == (D, 0, "CONNECT_REFUSED")
    assert first.falls == ()


def entry(code=None, *, kind="attempt", caller="shop", outcome=None):
    values = dict.fromkeys(LogEntry.__dataclass_fields__)
    outcome = outcome or ("failed" if code else "succeeded")
    own = {
        "code": code,
        "is_success": not code,
        "kind": kind,
        "caller": caller,
        "outcome": outcome,
        "duration_ms": 40,
    }
    return LogEntry(**{**values, **own})


GOOD, BAD = entry(), entry("CONNECT_REFUSED")


@pytest.mark.parametrize(
    ("entries", "mark"),
    [
        ([], None),
        ([GOOD], "+"),
        ([GOOD] * 9 + [BAD], None),
        ([GOOD] * 7 + [BAD] * 3, "w"),
        ([GOOD] * 3 + [BAD] * 3, "x"),
        ([entry("VENDOR_AUTH_REJECTED")] * 3, "r"),
        ([BAD] * 2, None),
        ([entry("VENDOR_REJECTED_REQUEST")] * 5, None),
        ([entry("CIRCUIT_OPEN", kind="local")] * 5, None),
        ([entry("CONNECT_REFUSED", caller="alerts")] * 5, None),
        ([entry(outcome="pending")] * 5, None),
    ],
)
def test_recent_calls_count_as_a_check_when_they_say_enough(entries, mark):
    finding = from_traffic(entries)

    assert (finding and finding.mark) == mark
