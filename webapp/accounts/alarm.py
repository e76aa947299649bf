"""An alarm over all accounts: many of them, few tries each, is what no counter of one account or address sees."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.models.session import Throttle
from webapp.runtime import Runtime
from webapp.vault import audit

KEY = "sign-in:alarm"
ACCOUNT_KEYS = "sign-in:account:"
WINDOW = timedelta(hours=1)
ACCOUNTS = 20
_MOST = 10_000  # so many are counted at most
_log = logging.getLogger(__name__)


class Alarm(NamedTuple):
    """Since when it rings, and how many accounts were tried by then."""

    since: datetime
    accounts: int


def watch(session: Session, runtime: Runtime) -> None:
    """Ring when sign-ins to too many accounts failed within an hour, once in an hour. The caller commits.

    A sign-in that succeeds takes its own failures out of the count.
    """
    now = runtime.clock.now()
    recent = (
        select(Throttle.key)
        .where(Throttle.key.like(f"{ACCOUNT_KEYS}%"), Throttle.window_started_at > now - WINDOW)
        .limit(_MOST)
    )
    count = session.scalar(select(func.count()).select_from(recent.subquery())) or 0
    if count < ACCOUNTS or ringing(session, runtime):
        return
    row = session.get(Throttle, KEY) or Throttle(key=KEY)
    row.count, row.window_started_at = count, now
    session.add(row)
    _log.error("Sign-ins to %s accounts failed within an hour.", count)
    detail = {"accounts": count, "minutes": WINDOW // timedelta(minutes=1)}
    audit.append(session, runtime, actor="system", action="sign_in.alarm", target="accounts", detail=detail)


def ringing(session: Session, runtime: Runtime) -> Alarm | None:
    """The alarm of the last hour."""
    row = session.get(Throttle, KEY)
    if row is None or row.window_started_at <= runtime.clock.now() - WINDOW:
        return None
    return Alarm(row.window_started_at, row.count)
