"""Who watches the alerts: each channel is looked at once a day, and the pages say so when none would work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import delete, func, literal, select, true
from sqlalchemy.orm import Session

from adapters.kit import Fault, Wire
from adapters.kit.tls import tls_context
from webapp.models.alert import AlertChannel, AlertDelivery, AlertRule
from webapp.monitor.sending import TIMEOUT_S, Target, Unsent, target_of

if TYPE_CHECKING:
    from webapp.runtime import Runtime

EVERY = timedelta(hours=24)
KEPT = timedelta(days=90)


# All in one look, because every page takes it: the counts stand beside each channel, or alone.
_WATCH = select(
    AlertChannel.name,
    AlertChannel.failure,
    select(func.count()).where(AlertDelivery.status == "stuck").scalar_subquery().label("stuck"),
    select(func.count()).where(AlertRule.is_enabled).scalar_subquery().label("rules"),
).select_from(select(literal(1)).subquery().outerjoin(AlertChannel, true()))


@dataclass(frozen=True, slots=True)
class Watch:
    """How the alerts themselves are: messages that reach nobody, and channels that failed last."""

    stuck: int
    broken: tuple[str, ...]
    channels: int
    rules: int

    @property
    def is_mute(self) -> bool:
        """Whether alerts are wanted and none could be delivered."""
        return bool(self.stuck or self.none_works)

    @property
    def none_works(self) -> bool:
        """Whether every channel failed last; otherwise only those of some rules did."""
        return bool(self.rules and self.channels and len(self.broken) == self.channels)


def watch(session: Session) -> Watch:
    """Look at the alerts, for the banner on every page."""
    rows = session.execute(_WATCH).all()
    channels = [row for row in rows if row.name is not None]
    return Watch(
        rows[0].stuck, tuple(row.name for row in channels if row.failure), len(channels), rows[0].rules
    )


def self_test(runtime: Runtime) -> int:
    """Look at the channels that were not looked at for a day; returns how many. Nothing is sent."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        channels = session.scalars(select(AlertChannel)).all()
        due = [one.channel_id for one in channels if one.tested_at is None or now - one.tested_at >= EVERY]
    for channel_id in due:
        _test(runtime, channel_id)
    return len(due)


def _test(runtime: Runtime, channel_id: str) -> None:
    failure = None
    try:
        with runtime.sessions() as session:
            channel = session.get(AlertChannel, channel_id)
            target = target_of(session, runtime, channel, None) if channel else None
        if target is not None and target.url:
            _knock(runtime, target)
    except Unsent as unsent:
        failure = unsent.code
    except Fault as fault:
        failure = fault.code
    with runtime.sessions() as session:
        channel = session.get(AlertChannel, channel_id)
        if channel is not None:
            channel.tested_at, channel.failure = runtime.clock.now(), failure
            channel.failed_at = channel.tested_at if failure else channel.failed_at
        session.commit()


def _knock(runtime: Runtime, target: Target) -> None:
    """Connect to a webhook, with encryption where it has it, and go away again."""
    parts = urlsplit(target.url or "")
    secure = parts.scheme == "https"
    with Wire.for_check(runtime.policy, clock=runtime.clock, timeout_s=TIMEOUT_S) as wire:
        port = parts.port or (443 if secure else 80)
        wire.connect(parts.hostname or "", port, tls=tls_context(wire.ca_bundle) if secure else None).close()


def forget(runtime: Runtime) -> int:
    """Delete what became of old messages; returns how many."""
    before = runtime.clock.now() - KEPT
    with runtime.engine.begin() as connection:
        return int(connection.execute(delete(AlertDelivery).where(AlertDelivery.ended_at < before)).rowcount)
