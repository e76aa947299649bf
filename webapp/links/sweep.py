"""Renewing tokens before anybody needs them, and forgetting what is over; for the process that leads."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import CursorResult, Row, delete, select
from sqlalchemy.exc import SQLAlchemyError

from webapp.links import renewing
from webapp.links.reading import ACTIVE
from webapp.models.link import Link, LinkAttempt, LinkUsage
from webapp.models.service import ThirdPartyServiceConfiguration as Service

if TYPE_CHECKING:
    from webapp.runtime import Runtime

AT_ONCE = 1_000
THREADS = 8
TURN_S = 15.0
PATIENCE = 5  # with a provider that fails, in one turn
ENDED_KEPT = timedelta(days=90)
USAGE_KEPT = timedelta(days=400)
_log = logging.getLogger(__name__)


def sweep(runtime: Runtime) -> int:
    """Renew the tokens that are due, the longest due first, for at most a quarter of a minute; returns how many."""
    turn = _Turn(runtime, due(runtime))
    threads = [threading.Thread(target=turn.work, name="patchbay-links-sweep") for _ in range(THREADS)]
    if not turn.rows:
        return 0
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return turn.tried


def due(runtime: Runtime, limit: int = AT_ONCE) -> Sequence[Row[Any]]:
    """The links whose tokens are due for renewal; those of a service that is switched off wait for it."""
    query: Any = select(Link.link_id, Link.generation, Link.service_id)
    query = query.join(Service, Service.service_id == Link.service_id)
    query = query.where(Link.refresh_due_at <= runtime.clock.now(), Link.state == ACTIVE)
    query = query.where(Service.is_enabled.is_(True), Service.deleted_at.is_(None))
    with runtime.sessions() as session:
        return list(session.execute(query.order_by(Link.refresh_due_at).limit(limit)))


class _Turn:
    """One turn: a few threads take links from a list until it is empty or the time is over."""

    def __init__(self, runtime: Runtime, rows: Sequence[Row[Any]]) -> None:
        self.rows = rows
        self.tried = 0
        self._runtime = runtime
        self._left = iter(rows)
        self._lock = threading.Lock()
        self._ends = runtime.clock.monotonic() + TURN_S
        self._failed: Counter[str] = Counter()

    def work(self) -> None:
        """Renew until nothing is left."""
        while (row := self._take()) is not None:
            try:
                outcome = self._runtime.links.renew(row.link_id, row.generation)
            except SQLAlchemyError as error:
                _log.warning("Link %s is renewed later: %s", row.link_id, type(error).__name__)
                return
            with self._lock:
                self._failed[row.service_id] += outcome == renewing.FAILED

    def _take(self) -> Row[Any] | None:
        """The next link of a provider that does not only fail."""
        with self._lock:
            if self._runtime.clock.monotonic() >= self._ends:
                return None
            for row in self._left:
                if self._failed[row.service_id] < PATIENCE:
                    self.tried += 1
                    return row
            return None


def forget_old(runtime: Runtime) -> int:
    """Delete ended links after three months, old counts of use, and starts that nobody finished."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        gone = session.execute(delete(Link).where(Link.ended_at < now - ENDED_KEPT))
        session.execute(delete(LinkUsage).where(LinkUsage.day < (now - USAGE_KEPT).date()))
        session.execute(delete(LinkAttempt).where(LinkAttempt.expires_at < now))
        session.commit()
    return cast("CursorResult[Any]", gone).rowcount
