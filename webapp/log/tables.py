"""The tables of the call log, declared once; they live on the same metadata as the models."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from webapp.models.base import Base, BigId, Json, UTCDateTime, Uuid

# On PostgreSQL these are made of one part for each day (`webapp.log.days`), which goes as a whole; on SQLite each day has
# files of its own with these tables (`webapp.log.dayfiles`), and the database has none of them.
_BY_DAY = "RANGE (log_id)"


def _index(name: str, *columns: str, where: str) -> Index:
    """An index of some rows only; `webapp.log.hints` sees to it that it is used."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


_OTHER_OUTCOME = "outcome <> 'succeeded'"

# One row per call: what the caller asked for and what came of it.
calls = Table(
    "calls",
    Base.metadata,
    Column("call_id", BigId, primary_key=True, autoincrement=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("operation", String(80), nullable=False),
    Column("contract", String(80)),
    Column("outcome", String(12), nullable=False),  # pending, succeeded, failed or unknown
    Column("integration_point", String(120)),
    Column("correlation_id", String(128)),
    Column("caller", Text),
    Column("service_id", Uuid),
    Column("service_type", String(80)),
    Column("code", String(60)),
    Column("effect", String(10)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("duration_ms", Integer),
    Column("deadline_ms", Integer),
    Column("call_key", String(64)),  # hash of the caller's idempotency key
    Column("request_hash", String(64)),  # tells a repeated request from another one under the same key
    Column("result", Json),
    Column("candidates", Json),
    Column("problem", Json),
    Column("trace", String(80)),  # the steps it took, a letter each: see webapp.engine.trace
    Column("route", String(120)),  # the route that led to its last service, if it was one
    Column("candidate_no", Integer),  # the place of that service among the candidates
    Column("cost", BigInteger),  # what its attempts cost, in millionths, where the service has a price
    Index("ix_calls_correlation_id", "correlation_id"),
    Index("uq_calls_call_key", "call_key", unique=True),
    _index("ix_calls_unknown", "call_id", where="outcome = 'unknown'"),
    _index("ix_calls_pending", "call_id", where="outcome = 'pending'"),
)

# One row per attempt or local rejection: the seed's IntegrationCallLog. A service may be gone before its rows,
# and the log may move to a store of its own, so service_id and call_id are plain columns.
call_logs = Table(
    "call_logs",
    Base.metadata,
    Column("log_id", BigId, primary_key=True, autoincrement=False),
    Column("call_id", BigId, nullable=False),
    Column("service_id", Uuid),
    Column("service_type", String(80)),
    Column("config_version", Integer),
    Column("request_timestamp", UTCDateTime, nullable=False),
    Column("response_timestamp", UTCDateTime),
    Column("duration_ms", Integer),
    Column("request_endpoint", Text),
    Column("response_status_code", Integer),
    Column("is_success", Boolean),  # null while the attempt is under way
    Column("error_message", Text),
    Column("correlation_id", String(128)),
    Column("attempt_no", Integer, nullable=False, server_default="1"),
    Column("candidate_no", Integer, nullable=False, server_default="1"),
    Column("kind", String(12), nullable=False, server_default="attempt"),  # attempt, local, health or test
    Column("operation", String(80)),
    Column("contract", String(80)),
    Column("integration_point", String(120)),
    Column("caller", Text),
    Column("outcome", String(12), nullable=False),  # pending, succeeded, failed or unknown
    Column("effect", String(10)),
    Column("code", String(60)),
    Column("phase", String(12)),
    Column("safety", String(12)),
    Column("recipient_mask", Text),
    Column("recipient_hash", String(64)),
    Column("vendor_code", Text),
    Column("vendor_message", Text),
    Column("vendor_request_id", Text),
    Column("retry_after_ms", Integer),
    Column("bytes_out", Integer),
    Column("bytes_in", Integer),
    Column("next", String(12)),  # retry, failover or stop
    Column("sandbox", Boolean, nullable=False, server_default=false()),
    Column("cost", BigInteger),  # in millionths, where the service has a price
    Index("ix_call_logs_service_id_log_id", "service_id", "log_id"),
    _index("ix_call_logs_other_outcomes", "outcome", "log_id", where=_OTHER_OUTCOME),
    _index("ix_call_logs_service_outcomes", "service_id", "outcome", "log_id", where=_OTHER_OUTCOME),
    _index("ix_call_logs_slow", "log_id", "duration_ms", where="duration_ms >= 1000"),
    _index("ix_call_logs_service_slow", "service_id", "log_id", where="duration_ms >= 1000"),
    _index("ix_call_logs_repeated", "log_id", where="attempt_no > 1"),
    _index("ix_call_logs_other_kinds", "kind", "log_id", where="kind <> 'attempt'"),
    _index("ix_call_logs_code", "code", "log_id", where="code IS NOT NULL"),
    _index("ix_call_logs_status", "log_id", "response_status_code", where="response_status_code >= 400"),
    Index("ix_call_logs_correlation_id", "correlation_id"),
    Index("ix_call_logs_recipient_hash", "recipient_hash"),
    Index("ix_call_logs_call_id", "call_id"),
    postgresql_partition_by=_BY_DAY,
)

# Bodies and headers, redacted and compressed, apart from the rows that lists read.
call_bodies = Table(
    "call_bodies",
    Base.metadata,
    Column("log_id", BigId, primary_key=True, autoincrement=False),
    Column("packed", LargeBinary, nullable=False),
    Column("compressed", String(10), nullable=False),  # how: see webapp.log.bodies
    postgresql_partition_by=_BY_DAY,
)

# The days there are attempts of. Ids tell the time of the process that made them; `drift_ms` is how far the times in
# the rows may be from that, so that a range of times becomes a range of ids even when a clock jumped.
log_days = Table(
    "log_days",
    Base.metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),  # since 1970, of the ids
    Column("attempts", BigInteger, nullable=False),
    Column("bodies", BigInteger, nullable=False),
    Column("body_bytes", BigInteger, nullable=False),
    Column("drift_ms", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False, server_default="0"),  # see webapp.log.outbox
)

IntegrationCallLog = call_logs
