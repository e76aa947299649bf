"""Failed sign-ins slow the next try down, by account and by address; they never lock anybody out for good.

An account makes guessers wait longer after each failure beyond the fifth, a minute at most. A browser that
signed in before carries a mark and is counted on its own: a stranger's guesses cannot keep its owner out.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from webapp.accounts import alarm
from webapp.db import begin_write
from webapp.models.session import Throttle
from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures within a window are free, and how long each one beyond makes the next try wait."""

    name: str
    free: int
    window: timedelta
    longest: timedelta
    grows: bool

    def wait(self, failures: int) -> timedelta:
        """Return the wait after so many failures."""
        if failures < self.free:
            return timedelta(0)
        if not self.grows:
            return self.longest
        return min(timedelta(seconds=2 ** min(failures - self.free, 16)), self.longest)


# Who gets here knows the password already, so the wait may be long without locking anybody out by malice.
SECOND_FACTOR = Limit("factor", free=5, window=timedelta(hours=24), longest=timedelta(minutes=15), grows=True)
ACCOUNT = Limit("account", free=5, window=timedelta(hours=1), longest=timedelta(minutes=1), grows=True)
NETWORK = Limit("network", free=20, window=timedelta(minutes=5), longest=timedelta(minutes=5), grows=False)
_FORGET_AFTER = timedelta(days=1)
_IPV6_NETWORK = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries to sign in: an account as it was typed, from where, and whether it did so here before."""

    email: str
    address: str
    from_known_browser: bool = False

    @property
    def keys(self) -> tuple[tuple[Limit, str], ...]:
        """The counters that this attempt touches; hashed, since what was typed may be a password."""
        kind = "known" if self.from_known_browser else "account"
        return (
            (ACCOUNT, f"sign-in:{kind}:{hashlib.sha256(self.email.encode()).hexdigest()}"),
            (NETWORK, f"sign-in:network:{network_of(self.address)}"),
        )


@dataclass(frozen=True, slots=True)
class FactorAttempt:
    """Somebody who passed the password, or is signed in, tries a code or the password again."""

    user_id: str

    @property
    def keys(self) -> tuple[tuple[Limit, str], ...]:
        """The counter of this account."""
        return ((SECOND_FACTOR, f"second-factor:{self.user_id}"),)


def wait_seconds(runtime: Runtime, attempt: Attempt | FactorAttempt) -> int:
    """Return how long this attempt has to wait, in whole seconds; 0 when it may go on."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        rows = [session.get(Throttle, key) for _, key in attempt.keys]
    return max(_left(row.blocked_until if row else None, now) for row in rows)


def note_failure(runtime: Runtime, attempt: Attempt | FactorAttempt) -> None:
    """Count a failed attempt, in a transaction of its own: the count outlives whatever the caller undoes."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        begin_write(session, "sign-in throttle")
        session.execute(delete(Throttle).where(Throttle.window_started_at < now - _FORGET_AFTER))
        for limit, key in attempt.keys:
            _count(session, limit, key, now)
        if isinstance(attempt, Attempt):
            session.flush()
            alarm.watch(session, runtime)
        session.commit()


def note_success(runtime: Runtime, attempt: Attempt | FactorAttempt) -> None:
    """Forget the failures of the account on this browser; those of the network stay."""
    with runtime.sessions() as session:
        own = [key for limit, key in attempt.keys if limit is not NETWORK]
        session.execute(delete(Throttle).where(Throttle.key.in_(own)))
        session.commit()


def network_of(address: str) -> str:
    """Return the address, or for IPv6 the /64 that one household owns."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _count(session: Session, limit: Limit, key: str, now: datetime) -> None:
    row = session.get(Throttle, key)
    if row is None:
        row = Throttle(key=key, count=0, window_started_at=now)
        session.add(row)
    elif row.window_started_at + limit.window <= now:
        row.count, row.window_started_at = 0, now
    row.count += 1
    row.blocked_until = now + limit.wait(row.count)


def _left(until: datetime | None, now: datetime) -> int:
    return max(0, math.ceil((until - now).total_seconds())) if until else 0
