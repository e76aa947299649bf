"""From what checks found to the state of a service: a machine that neither jumps at one failure nor flaps.

Each check leaves a mark: `+` good, `w` good with a warning, `x` failed, `r` credentials refused. A service is down
when N of its last M marks are failures, and well again after K good marks in a row; three times as many while it
has gone down three times within an hour. Two refusals in a row mean that the credentials must be entered again.
A breaker that opens leaves `o` and means down at once; what is good while it is open does not bring it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from webapp.monitor.findings import BAD, GOOD, REFUSED, TRIPPED, WARNED, Finding
from webapp.registry.condition import TRIPPED as CODE_OF_TRIPPED
from webapp.registry.fields import HealthPolicy

REAUTH_AFTER = 2
FLAPS = 3
FLAPS_WITHIN = timedelta(hours=1)
MOST_MARKS = 40
OUTAGES = frozenset({"down", "reauth"})
TROUBLES = OUTAGES | {"degraded"}


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a service after a check, since when it is so, and what decides the next one."""

    state: str
    since: datetime
    failures: int = 0
    code: str | None = None
    marks: str = ""
    falls: tuple[datetime, ...] = ()

    @property
    def is_flapping(self) -> bool:
        """Whether it went down so often lately that a good check or two prove nothing."""
        return len(self.falls) >= FLAPS


def after_check(
    finding: Finding, previous: Health | None, policy: HealthPolicy, now: datetime, *, held: bool = False
) -> Health:
    """The state that follows; an outage does not end while it is `held`, because no call passes."""
    before = previous or Health("unknown", now)
    marks = (before.marks + finding.mark)[-MOST_MARKS:]
    falls = _recent(before, now)
    state = _state(marks, before.state, policy, flapping=len(falls) >= FLAPS, held=held)
    if state in OUTAGES and before.state not in OUTAGES:
        falls = (*falls[1 - FLAPS :], now)
    if before.state in OUTAGES and state not in OUTAGES:
        marks = marks[
            -1:
        ]  # what lies before the return counts no more: one failure after it is not the third
    failed = finding.mark in BAD
    return Health(
        state=state,
        since=before.since if state == before.state else now,
        failures=before.failures + 1 if failed else 0,
        code=_code(finding, before, state, marks, policy),
        marks=marks,
        falls=falls,
    )


def after_tripping(previous: Health | None, now: datetime) -> Health:
    """The state once the breaker has opened, for the first time or again."""
    before = previous or Health("unknown", now)
    marks = (before.marks + TRIPPED)[-MOST_MARKS:]
    if before.state in OUTAGES:
        return replace(before, marks=marks)
    falls = (*_recent(before, now)[1 - FLAPS :], now)
    return Health("down", now, before.failures, CODE_OF_TRIPPED, marks, falls)


def _recent(before: Health, now: datetime) -> tuple[datetime, ...]:
    return tuple(fall for fall in before.falls if now - fall < FLAPS_WITHIN)


def _code(finding: Finding, before: Health, state: str, marks: str, policy: HealthPolicy) -> str | None:
    """Why it is so; a breaker remains the reason until checks alone would be one."""
    tripped = before.code == CODE_OF_TRIPPED and before.state == state == "down"
    if tripped and sum(mark in BAD for mark in marks.rpartition(TRIPPED)[2]) < policy.down_after:
        return CODE_OF_TRIPPED
    return finding.code or (before.code if state in OUTAGES else None)


def _state(marks: str, before: str, policy: HealthPolicy, *, flapping: bool, held: bool) -> str:
    if before in OUTAGES:
        if held or not _well_again(marks, policy, flapping=flapping):
            return _outage(marks, before, policy)
        return {GOOD: "healthy"}.get(marks[-1], "degraded")
    if marks.endswith(REFUSED * REAUTH_AFTER):
        return "reauth"
    if sum(mark in BAD for mark in marks[-policy.window :]) >= policy.down_after:
        return "down"
    return {GOOD: "healthy", WARNED: "degraded"}.get(marks[-1], "pending")


def _well_again(marks: str, policy: HealthPolicy, *, flapping: bool) -> bool:
    needed = min(policy.up_after * (3 if flapping else 1), MOST_MARKS)
    newest = marks[-needed:]
    return len(newest) == needed and not set(newest) & set(BAD + TRIPPED)


def _outage(marks: str, before: str, policy: HealthPolicy) -> str:
    """Which of the two outages it is: refused credentials and an unreachable host can follow each other."""
    if marks.endswith(REFUSED * REAUTH_AFTER):
        return "reauth"
    return "down" if marks.endswith("x" * min(policy.down_after, MOST_MARKS)) else before


def tone_of(state: str) -> str:
    """How a state counts in strips and in uptime: `ok`, `warn`, `bad` or `none`."""
    if state in OUTAGES:
        return "bad"
    return {"healthy": "ok", "degraded": "warn", "pending": "warn"}.get(state, "none")


def joined(moments: Sequence[datetime]) -> list[str]:
    """Moments as they are stored."""
    return [moment.isoformat() for moment in moments]
