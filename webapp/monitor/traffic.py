"""The calls of the last while, read once for many checks: services whose calls say how they are need no probe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from webapp.log.entries import LogEntry
from webapp.log.filters import LogFilter
from webapp.log.query import LIMIT_MAX

if TYPE_CHECKING:
    from webapp.runtime import Runtime

RECENT = 20
_PAGES = 3


class Traffic:
    """The newest attempts of every service, from a moment on; a busy log is asked again for what lies before it."""

    def __init__(self, runtime: Runtime, since: datetime) -> None:
        self._runtime = runtime
        self._since = since
        self._by_service: dict[str, list[LogEntry]] = defaultdict(list)
        self._read()

    def of(self, service_id: str, since: datetime) -> Sequence[LogEntry]:
        """The newest attempts on a service since then, at most 20, the newest first."""
        known = [entry for entry in self._by_service.get(service_id, ()) if entry.request_timestamp >= since]
        if since >= self._since or len(known) >= RECENT:
            return known[:RECENT]
        wanted = LogFilter(service_id=service_id, from_=since)
        return self._runtime.log.search(wanted, limit=RECENT).items

    def _read(self) -> None:
        cursor = None
        for _ in range(_PAGES):
            page = self._runtime.log.search(LogFilter(from_=self._since), limit=LIMIT_MAX, cursor=cursor)
            for entry in page.items:
                if entry.service_id:
                    self._by_service[entry.service_id].append(entry)
            cursor = page.next_cursor
            if cursor is None:
                return
        self._since = page.items[-1].request_timestamp
