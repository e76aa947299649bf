"""Why breakers opened: what the last calls failed of, and whether that may have been our own doing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models.health import ServiceHealth
from webapp.monitor.findings import counts
from webapp.monitor.traffic import Traffic

if TYPE_CHECKING:
    from webapp.runtime import Runtime

OUR_CODES = frozenset({
    "DNS_FAILURE", "CONNECT_REFUSED", "CONNECT_UNREACHABLE", "CONNECT_TIMEOUT", "PROXY_FAILURE",
    "TLS_HANDSHAKE_FAILED", "CONNECTION_LOST", "READ_TIMEOUT",
})  # fmt: skip
_LOOK_BACK = timedelta(minutes=10)
# What was called a moment ago may not stand in the log yet.
_LOG_LAG = timedelta(seconds=10)
# By then all others have been checked as well, and it is known whether they fail too.
_PATIENCE = timedelta(seconds=60)


def causes(runtime: Runtime, ids: Iterable[str], now: datetime) -> Mapping[str, str]:
    """The code that most of the last failed calls of these services have."""
    wanted = list(ids)
    if not wanted:
        return {}
    traffic = Traffic(runtime, now - _LOOK_BACK)
    found = {}
    for service_id in wanted:
        entries = traffic.of(service_id, now - _LOOK_BACK)
        codes = Counter(one.code for one in entries if counts(one) and not one.is_success and one.code)
        if codes:
            found[service_id] = codes.most_common(1)[0][0]
    return found


def may_be_us(session: Session, service_id: str, since: datetime, cause: str | None, now: datetime) -> bool:
    """Whether to wait before it is called their fault: the network may be gone, and nobody else was asked since."""
    age = now - since
    if age >= _PATIENCE or (cause is None and age >= _LOG_LAG) or (cause and cause not in OUR_CODES):
        return False
    well_since = select(ServiceHealth.service_id).where(
        ServiceHealth.service_id != service_id,
        ServiceHealth.checked_at > since,
        ServiceHealth.state.in_(("healthy", "degraded")),
    )
    return session.scalar(well_since.limit(1)) is None
