"""The circuit breaker as arithmetic: from a document, the time and a vote to the next document.

closed ── too many failures ──▶ open ── its time is over ──▶ half open ── two successes ──▶ closed
                                  ▲                            │ one failure, or no word for a minute
                                  └────────────────────────────┘
Every change of state is a new generation; a result that belongs to an older one changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
BUCKET_S, BUCKETS = 6, 10
LEAST_CALLS, FAILURE_SHARE, SLOW_SHARE = 10, 0.5, 0.8
IN_A_ROW, IN_A_ROW_S = 5, 30.0
OPEN_S, MOST_OPEN_S, JITTER = 30.0, 300.0, 0.1
PERMITS, SUCCESSES, STUCK_S = 3, 2, 60.0
SLOW_AT = 0.8
_ASK_AGAIN_S = 1.0
STORY = 10

Doc = dict[str, Any]


class Vote(StrEnum):
    """What an attempt says about the health of a service."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to make one attempt, valid for one generation; `probe` when it is one of the few of half open.

    What only counts is seen in the window and changes no state: an operator has decided that.
    """

    generation: int = 0
    probe: bool = False
    only_counts: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """Votes since the last time they were told: successes by bucket, and what the newest attempt was."""

    good: Mapping[int, int] = field(default_factory=dict)
    bad: int = 0
    slow: int = 0
    in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state, with the counts that led to it."""

    before: str
    after: str
    reason: str
    calls: int
    failures: int
    slow: int


def fresh(now: float, generation: int = 0) -> Doc:
    """A closed breaker that has seen nothing."""
    return {
        "state": CLOSED, "generation": generation, "since": now, "until": now, "reopens": 0, "permits": 0, "ok": 0,
        "granted": now, "buckets": {}, "story": [],
    }  # fmt: skip


def bucket_of(now: float) -> int:
    """The part of the window a moment belongs to."""
    return int(now // BUCKET_S)


def wait_of(doc: Mapping[str, Any] | None, now: float) -> float:
    """Seconds until asking for a permit makes sense; 0 when it does now."""
    if doc is None or doc["state"] == CLOSED:
        return 0.0
    if doc["state"] == OPEN:
        left = float(doc["until"]) - now
        return left if 0 < left <= MOST_OPEN_S * (1 + JITTER) else 0.0  # more: the clock was set back
    if doc["permits"] - doc["ok"] <= 0 or doc["permits"] < PERMITS or _stuck(doc, now):
        return 0.0
    return _ASK_AGAIN_S


def ask(doc: Doc | None, now: float, jitter: float) -> tuple[Doc | None, Permit | float]:
    """Ask for a permit: it, or the seconds after which to ask again. `jitter` is a number from 0 to 1."""
    doc = doc or fresh(now)
    if doc["state"] == CLOSED:
        return None, Permit(doc["generation"])
    if doc["state"] == OPEN:
        if wait := wait_of(doc, now):
            return None, wait
        doc = _enter(doc, HALF_OPEN, now, "probe")
    elif _stuck(doc, now):
        doc = _open(doc, now, jitter, "stuck")
        return doc, wait_of(doc, now)
    if doc["permits"] >= PERMITS:
        return None, _ASK_AGAIN_S
    doc = doc | {"permits": doc["permits"] + 1, "granted": now}
    return doc, Permit(doc["generation"], probe=True)


def give_back(doc: Doc | None, permit: Permit) -> Doc | None:
    """The document after an attempt that says nothing; None when nothing changes."""
    if doc is None or not permit.probe or doc["generation"] != permit.generation:
        return None
    return doc | {"permits": max(0, doc["permits"] - 1)}


def vote(
    doc: Doc | None, now: float, permit: Permit, tally: Tally, jitter: float
) -> tuple[Doc | None, Transition | None]:
    """Count the votes of an attempt: the new document (None for a late result) and the change of state."""
    doc = doc or fresh(now, permit.generation)
    if permit.only_counts:
        return doc | {"buckets": _added(doc["buckets"], now, tally)}, None
    if doc["generation"] != permit.generation or (doc["state"] != CLOSED and not permit.probe):
        return None, None
    if doc["state"] == HALF_OPEN:
        return _judge_probe(doc, now, tally, jitter)
    doc = doc | {"buckets": _added(doc["buckets"], now, tally)}
    reason = _tripped(doc, tally)
    if reason is None:
        return doc, None
    after = _open(doc, now, jitter, reason)
    return after, _transition(doc, after)


def totals(doc: Mapping[str, Any] | None) -> tuple[int, int, int]:
    """Calls, failures and slow calls in the window of a document."""
    rows = list(doc["buckets"].values()) if doc else []
    return sum(row[0] for row in rows), sum(row[1] for row in rows), sum(row[2] for row in rows)


def _judge_probe(doc: Doc, now: float, tally: Tally, jitter: float) -> tuple[Doc, Transition | None]:
    if tally.bad:
        after = _open(doc, now, jitter, "probe_failed")
        return after, _transition(doc, after)
    doc = doc | {"ok": doc["ok"] + 1}
    if doc["ok"] < SUCCESSES:
        return doc, None
    after = _enter(doc, CLOSED, now, "recovered") | {"reopens": 0, "buckets": {}}
    return after, _transition(doc, after)


def _tripped(doc: Doc, tally: Tally) -> str | None:
    """Why a closed breaker opens now, if it does."""
    calls, failures, slow = totals(doc)
    if tally.bad and tally.in_a_row >= IN_A_ROW:
        return "consecutive"
    if calls < LEAST_CALLS:
        return None
    if failures >= calls * FAILURE_SHARE:
        return "failures"
    return "slow" if slow >= calls * SLOW_SHARE else None


def _added(buckets: Mapping[str, list[int]], now: float, tally: Tally) -> dict[str, list[int]]:
    """The window with these votes; what is older than it, or lies in the future of a clock set back, is dropped."""
    current = bucket_of(now)
    kept = {name: list(row) for name, row in buckets.items() if current - BUCKETS < int(name) <= current}
    for bucket, count in tally.good.items():
        if current - BUCKETS < bucket <= current:
            row = kept.setdefault(str(bucket), [0, 0, 0])
            row[0] += count
    if tally.bad or tally.slow:
        row = kept.setdefault(str(current), [0, 0, 0])
        row[0] += max(tally.bad, tally.slow)
        row[1] += tally.bad
        row[2] += tally.slow
    return kept


def _open(doc: Doc, now: float, jitter: float, reason: str) -> Doc:
    """Open, the longer the more often it was opened without recovering."""
    again = doc["state"] == HALF_OPEN
    reopens = doc["reopens"] + 1 if again else doc["reopens"]
    length = min(MOST_OPEN_S, OPEN_S * 2**reopens) * (1 + JITTER * jitter)
    return _enter(doc, OPEN, now, reason) | {"until": now + length, "reopens": min(reopens, 16)}


def _enter(doc: Doc, state: str, now: float, reason: str) -> Doc:
    calls, failures, slow = totals(doc)
    line = {"at": now, "from": doc["state"], "to": state, "reason": reason}
    counts = {"calls": calls, "failures": failures, "slow": slow}
    changed = {"state": state, "generation": doc["generation"] + 1, "since": now, "granted": now}
    return doc | changed | {"permits": 0, "ok": 0, "story": [*doc["story"], line | counts][-STORY:]}


def _stuck(doc: Mapping[str, Any], now: float) -> bool:
    """Whether those who hold the permits have been silent for too long; their process may have died."""
    return doc["permits"] > doc["ok"] and not 0 <= now - doc["granted"] < STUCK_S


def _transition(before: Doc, after: Doc) -> Transition:
    line = after["story"][-1]
    return Transition(
        before["state"], after["state"], line["reason"], line["calls"], line["failures"], line["slow"]
    )
