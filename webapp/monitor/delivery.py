"""Delivering alerts: in groups, tried again, handed on to the next channel, and never given up in silence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import N_
from webapp.ids import uuid7
from webapp.models.alert import AlertChannel, AlertDelivery
from webapp.models.incident import Incident
from webapp.monitor.handling import to_dict
from webapp.monitor.sending import Letter, Target, Unsent, send, target_of
from webapp.monitor.states import OUTAGES
from webapp.monitor.words import Say, headline, paragraph, speaker, test_message

if TYPE_CHECKING:
    from webapp.runtime import Runtime

TRIES = 3
WAITS = (timedelta(seconds=10), timedelta(seconds=60))
# Once every channel has failed: begin with the first again after a while, for a day.
ROUND = timedelta(minutes=10)
GIVE_UP = timedelta(hours=24)
# While one process sends, another that takes over leaves the message alone for so long.
_CLAIM = timedelta(seconds=120)
_MOST = 100


def deliver(runtime: Runtime) -> int:
    """Send what is due; returns how many messages were handed to a channel."""
    sent = 0
    for ids in _claim(runtime):
        sent += _attempt(runtime, ids)
    return sent


def _claim(runtime: Runtime) -> list[list[int]]:
    """The messages that are due, in groups that can be told in one go; others see them as not due."""
    now = runtime.clock.now()
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    with runtime.sessions() as session:
        query = (
            select(AlertDelivery)
            .where(AlertDelivery.status.in_(("waiting", "stuck")), AlertDelivery.due_at <= now)
            .order_by(AlertDelivery.due_at, AlertDelivery.delivery_id)
            .limit(_MOST)
        )
        for delivery in session.scalars(query):
            if _is_void(session, delivery):
                delivery.status, delivery.ended_at = "dropped", now
                continue
            channel = delivery.channels[delivery.step % len(delivery.channels)]
            groups[(delivery.rule_id, delivery.kind, channel, delivery.tries)].append(delivery.delivery_id)
            delivery.due_at = now + _CLAIM
        session.commit()
    return list(groups.values())


def _is_void(session: Session, delivery: AlertDelivery) -> bool:
    """Whether it has become untrue while it waited."""
    incident = session.get(Incident, delivery.incident_id) if delivery.incident_id else None
    if incident is None:
        return delivery.kind != "test"
    if delivery.kind == "reminder":
        return not incident.is_open or incident.acknowledged_at is not None
    return delivery.kind in {"problem", "fallback"} and not incident.is_open and delivery.status == "waiting"


def _attempt(runtime: Runtime, ids: Sequence[int]) -> int:
    try:
        target, letter = _prepare(runtime, ids)
        send(runtime, target, letter)
    except Unsent as unsent:
        _failed(runtime, ids, unsent)
        return 0
    _succeeded(runtime, ids, target.channel_id, letter)
    return 1


def _prepare(runtime: Runtime, ids: Sequence[int]) -> tuple[Target, Letter]:
    with runtime.sessions() as session:
        deliveries = _load(session, ids)
        first = deliveries[0]
        channel = session.get(AlertChannel, first.channels[first.step % len(first.channels)])
        if channel is None:
            raise Unsent("CONFIG_NOT_FOUND", again=False)
        incidents = [found for one in deliveries if (found := session.get(Incident, one.incident_id or ""))]
        say = speaker(str(channel.options.get("locale") or "en"))
        broken = [one.subject for one in incidents if one.is_open and one.state in OUTAGES]
        target = target_of(session, runtime, channel, broken[0] if broken else None)
        return target, _letter(first, incidents, say, runtime.config.base_url)


def _letter(first: AlertDelivery, incidents: Sequence[Incident], say: Say, base_url: str | None) -> Letter:
    key = f"alert-{first.delivery_id}-{first.step}"
    data: dict[str, Any] = {
        "kind": first.kind,
        "source": "patchbay",
        "incidents": [to_dict(one) for one in incidents],
    }
    if not incidents:
        subject, text = test_message(say)
        return Letter(subject, text, data | {"headline": subject, "text": text}, key)
    text = "\n\n".join(paragraph(one, first.kind, say, base_url) for one in incidents)
    subject = headline(incidents[0], first.kind, say)
    if len(incidents) > 1:
        subject = say(N_("%(first)s, and %(count)s more"), first=subject, count=len(incidents) - 1)
    return Letter(subject, text, data | {"headline": subject, "text": text}, key)


def _load(session: Session, ids: Sequence[int]) -> list[AlertDelivery]:
    query = (
        select(AlertDelivery).where(AlertDelivery.delivery_id.in_(ids)).order_by(AlertDelivery.delivery_id)
    )
    return list(session.scalars(query))


def _succeeded(runtime: Runtime, ids: Sequence[int], channel_id: str, letter: Letter) -> None:
    now = runtime.clock.now()
    with runtime.sessions() as session:
        for delivery in _load(session, ids):
            delivery.status, delivery.ended_at, delivery.reached = "sent", now, channel_id
            delivery.code, delivery.text = None, letter.headline
        channel = session.get(AlertChannel, channel_id)
        if channel is not None:
            channel.worked_at, channel.failure = now, None
        session.commit()


def _failed(runtime: Runtime, ids: Sequence[int], unsent: Unsent) -> None:
    now = runtime.clock.now()
    with runtime.sessions() as session:
        for delivery in _load(session, ids):
            channel = session.get(AlertChannel, delivery.channels[delivery.step % len(delivery.channels)])
            if channel is not None:
                channel.failed_at, channel.failure = now, unsent.code
            delivery.code = unsent.code
            _next(delivery, unsent, now)
        session.commit()


def _next(delivery: AlertDelivery, unsent: Unsent, now: datetime) -> None:
    """Try again, or hand on to the next channel; after the last one begin anew, and let everybody see it."""
    delivery.tries += 1
    if delivery.kind == "test":
        delivery.status, delivery.ended_at = "failed", now
    elif unsent.again and delivery.tries < TRIES:
        delivery.due_at = now + WAITS[delivery.tries - 1]
    else:
        delivery.step, delivery.tries = delivery.step + 1, 0
        around = delivery.step % len(delivery.channels) == 0
        delivery.due_at = now + ROUND if around else now
        if around:
            delivery.status = "stuck"
        if around and now - delivery.created_at > GIVE_UP:
            delivery.status, delivery.ended_at = "failed", now


def test_channel(runtime: Runtime, channel_id: str) -> AlertDelivery:
    """Send a test through a channel now and answer what came of it."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        delivery = AlertDelivery(
            key=f"test:{uuid7()}", kind="test", channels=[channel_id],
            status="waiting", created_at=now, due_at=now + _CLAIM,
        )  # fmt: skip
        session.add(delivery)
        session.commit()
        made = delivery.delivery_id
    _attempt(runtime, [made])
    with runtime.sessions() as session:
        return _load(session, [made])[0]
