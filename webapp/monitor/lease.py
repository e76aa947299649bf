"""The lease of the leader: of all processes on one database, one does the periodic work."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Interval,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from adapters.kit import Clock
from webapp.models.base import UTCDateTime
from webapp.models.health import Lease

# With the look for a free one every two seconds, a process that dies is replaced within 30 s.
TTL_S = 27.0
MARGIN_S = 5.0


class LeaderLease:
    """Held for half a minute at a time and taken again before that; it falls to another process when its holder dies.

    Time is that of the database server, so that machines with wrong clocks agree; SQLite has one machine only.
    No transaction outlives a method.
    """

    def __init__(self, engine: Engine, clock: Clock, name: str = "monitor") -> None:
        self._engine = engine
        self._clock = clock
        self._name = name
        self._until = 0.0
        self.holder = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"

    @property
    def held(self) -> bool:
        """Whether this process may act now; false a little before the lease ends."""
        return self._clock.monotonic() < self._until

    def take(self) -> bool:
        """Take the lease, or keep it; False when another process holds it."""
        asked = self._clock.monotonic()
        taken = self.is_free() and (self._renew() or self._insert())
        self._until = asked + TTL_S - MARGIN_S if taken else 0.0
        return taken

    def is_free(self) -> bool:
        """Whether nobody else holds it now; whoever waits for it only reads."""
        others = select(Lease.name).where(
            Lease.name == self._name, Lease.holder != self.holder, Lease.until >= self._now()
        )
        with self._engine.connect() as connection:
            return connection.execute(others).first() is None

    def release(self) -> None:
        """Give the lease back, so that another process need not wait for its end."""
        self._until = 0.0
        with self._engine.begin() as connection:
            connection.execute(delete(Lease).where(Lease.name == self._name, Lease.holder == self.holder))

    def _renew(self) -> bool:
        now = self._now()
        free = or_(Lease.holder == self.holder, Lease.until < now)
        change = update(Lease).where(and_(Lease.name == self._name, free))
        with self._engine.begin() as connection:
            return connection.execute(change.values(holder=self.holder, until=self._end(now))).rowcount == 1

    def _insert(self) -> bool:
        values = {"name": self._name, "holder": self.holder, "until": self._end(self._now())}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(Lease).values(values))
        except IntegrityError:
            return False
        return True

    def _now(self) -> ColumnElement[datetime]:
        if self._engine.dialect.name == "sqlite":
            return literal(self._clock.now(), UTCDateTime())
        return func.clock_timestamp(type_=UTCDateTime())

    def _end(self, now: ColumnElement[datetime]) -> ColumnElement[Any]:
        if self._engine.dialect.name == "sqlite":
            return literal(self._clock.now() + timedelta(seconds=TTL_S), UTCDateTime())
        return now + literal(timedelta(seconds=TTL_S), Interval())
