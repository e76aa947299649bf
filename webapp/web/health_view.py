"""What the pages of health show: one sentence, every service with its history, incidents, and who checks at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import format_datetime, ngettext
from sqlalchemy import select

from adapters.kit import Message, N_
from webapp.extensions import db, runtime
from webapp.models.health import HealthCheck, Lease
from webapp.models.incident import Incident
from webapp.models.service import Service
from webapp.monitor import handling, history, publishing
from webapp.monitor.breakers import gates
from webapp.monitor.history import Span
from webapp.monitor.incidents import NETWORK
from webapp.monitor.lease import TTL_S
from webapp.web.charts import curve
from webapp.web.i18n import say
from webapp.web.service_lines import Line, count_states, group_by_contract, load_lines

SHOWN = 300
CHECKS_A_PAGE = 30
RANGE_LABELS: Mapping[str, str] = {
    "24h": N_("24 hours"), "7d": N_("7 days"), "30d": N_("30 days"), "90d": N_("90 days"),
}  # fmt: skip
ENTRIES: Mapping[str, str] = {
    "opened": N_("It began."),
    "state": N_("It became worse."),
    "acknowledged": N_("Somebody looks after it."),
    "note": N_("Note"),
    "alert": N_("An alert was raised."),
    "carried": N_("Another service of the route stands in."),
    "closed": N_("It ended."),
}
_BROKEN = frozenset({"down", "reauth", "broken"})
# What never left this machine, or was wrong before it did.
_OUR_DOING = frozenset({
    "KEY_UNAVAILABLE", "CREDENTIALS_UNREADABLE", "CONFIG_INVALID", "EGRESS_BLOCKED", "PROXY_FAILURE", "ADAPTER_BUG",
    "INTERNAL_ERROR",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Whether any process checks at all, and when one did so last."""

    until: datetime | None
    now: datetime

    @property
    def alive(self) -> bool:
        """Whether a process holds the lease."""
        return self.until is not None and self.now < self.until

    @property
    def last(self) -> datetime | None:
        """When the lease was taken or kept last."""
        return self.until - timedelta(seconds=TTL_S) if self.until else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence on top of the page and how it looks."""

    tone: str
    text: str


def scheduler() -> Scheduler:
    """The lease, as it stands in the database."""
    until = db.session.scalar(select(Lease.until).where(Lease.name == "monitor"))
    return Scheduler(until, runtime().clock.now())


def board(range_: str) -> dict[str, Any]:
    """The context of the page of all services."""
    range_ = range_ if range_ in history.RANGES else "24h"
    lines = [line for line in load_lines() if line.service.is_enabled]
    lines.sort(key=lambda line: line.state not in {"down", "reauth", "late", "degraded"})
    shown = lines[:SHOWN]
    ids = [line.service.service_id for line in shown]
    open_ones = handling.open_incidents(db.session())
    who = scheduler()
    return {
        "verdict": sentence(lines, open_ones, who),
        "groups": group_by_contract(shown, runtime().catalog),
        "spans": history.spans(db.session(), ids, range_, runtime().clock.now()),
        "gates": gates(runtime(), [line.service for line in shown]),
        "counts": count_states(lines),
        "total": len(lines),
        "hidden": len(lines) - len(shown),
        "open_incidents": open_ones,
        "past": [one for one in handling.incidents(db.session(), limit=20) if not one.is_open][:10],
        "scheduler": who,
        "range": range_,
        "ranges": RANGE_LABELS,
        "public": publishing.status_is_public(db.session()),
        "has_badges": publishing.has_badges(db.session()),
    }


def sentence(lines: Sequence[Line], incidents: Sequence[Incident], who: Scheduler) -> Verdict:
    """Is it us or them: the one thing to know first. A scheduler that does not run is never green."""
    if not lines:
        return Verdict("info", say(N_("No service is watched yet.")))
    if not who.alive:
        return Verdict("bad", say(N_("Nobody checks at the moment: what stands here is old.")))
    if any(one.subject == NETWORK for one in incidents):
        return Verdict("bad", say(N_("It is probably us: nearly no service can be reached.")))
    return _trouble(lines) or _calm(Counter(line.state for line in lines))


def _trouble(lines: Sequence[Line]) -> Verdict | None:
    """The sentence while something does not work; what somebody decided is no fault, so it comes last."""
    out = [line for line in lines if line.is_out_of_use]
    broken = [line for line in lines if line.state in _BROKEN and not line.is_out_of_use]
    if len(broken) == 1:
        return Verdict("bad", _blame(broken[0]))
    if broken:
        text = ngettext("%(num)s service does not work.", "%(num)s services do not work.", len(broken))
        return Verdict("bad", text)
    if len(out) == 1:
        text = N_("%(name)s was taken out of use by hand.")
        return Verdict("warn", say(Message.of(text, name=out[0].service.service_name)))
    if out:
        text = N_("%(num)s services were taken out of use by hand.")
        return Verdict("warn", say(Message.of(text, num=len(out))))
    return None


def _blame(line: Line) -> str:
    """Us or them, of the only service that does not work."""
    text = N_("It is them: %(name)s does not work.")
    values = {"name": line.service.service_name}
    if line.state == "broken" or line.condition.code in _OUR_DOING:
        text = N_("It is us: %(name)s cannot be used from here.")
    elif line.state == "reauth":
        text = N_("%(name)s refuses our credentials.")
    elif line.open_until:
        text = N_("It is them: calls to %(name)s fail, its circuit is open until %(time)s.")
        values["time"] = format_datetime(line.open_until, "HH:mm")
    return say(Message.of(text, **values))


def _calm(counts: Mapping[str, int]) -> Verdict:
    """The sentence while nothing is broken."""
    late, shaky = counts.get("late", 0), counts.get("degraded", 0) + counts.get("pending", 0)
    if late:
        return Verdict("warn", ngettext("%(num)s check is overdue.", "%(num)s checks are overdue.", late))
    if shaky:
        text = ngettext("%(num)s service is not quite well.", "%(num)s services are not quite well.", shaky)
        return Verdict("warn", text)
    if not counts.get("healthy"):
        return Verdict("info", say(N_("No service has been checked yet.")))
    return Verdict("ok", say(N_("All services are well.")))


def strip_label(span: Span) -> str:
    """A strip in a sentence."""
    if not span.known:
        return say(N_("No check yet"))
    values = {"well": span.well, "known": span.known}
    if len(span.marks) in {24, 168}:
        return say(Message.of(N_("%(well)s of %(known)s hours without an outage"), **values))
    return say(Message.of(N_("%(well)s of %(known)s days without an outage"), **values))


def service_health(service: Service, range_: str, before: int | None, failed: bool) -> dict[str, Any]:
    """The context of the Health tab of one service."""
    range_ = range_ if range_ in history.RANGES else "24h"
    now, session = runtime().clock.now(), db.session()
    spans = {
        key: history.spans(session, [service.service_id], key, now)[service.service_id]
        for key in history.RANGES
    }
    checks = history.checks(
        session, service.service_id, limit=CHECKS_A_PAGE + 1, before=before, failed=failed
    )
    return {
        "spans": spans,
        "span": spans[range_],
        "range": range_,
        "ranges": RANGE_LABELS,
        "latency": _latency(spans[range_]),
        "checks": checks[:CHECKS_A_PAGE],
        "next_cursor": checks[CHECKS_A_PAGE - 1].check_id if len(checks) > CHECKS_A_PAGE else None,
        "before": before,
        "failed": failed,
        "incidents": handling.incidents(session, service_id=service.service_id, limit=10),
        "badge_url": _badge(service),
    }


def _badge(service: Service) -> str | None:
    token = publishing.badge_token(db.session(), runtime(), service.service_id)
    return f"/badge/{token}" if token else None


def _latency(span: Span) -> dict[str, Any] | None:
    values = [mark.mean_ms for mark in span.marks]
    known = [value for value in values if value is not None]
    if not known:
        return None
    label = say(Message.of(N_("Mean duration of checks, at most %(top)s ms"), top=round(max(known))))
    return {
        "svg": curve(values, label),
        "label": label,
        "top": round(max(known)),
        "start": span.marks[0].start,
    }


def stage_words(stage: Mapping[str, Any]) -> str:
    """What a stored stage said, in the reader's language; brief ones said nothing out of the ordinary."""
    stored = stage.get("message_id")
    return say(Message(stored["msgid"], stored.get("values") or {})) if stored else ""


def message_words(stored: Mapping[str, Any] | None) -> str:
    """A stored message in the reader's language."""
    return say(Message(stored["msgid"], stored.get("values") or {})) if stored and stored.get("msgid") else ""


def check_tone(check: HealthCheck) -> str:
    """The state to draw for a check: what it found, not what followed."""
    return {"+": "ok", "w": "warning"}.get(check.mark, "failed")
