"""The tables of the roll-ups: what happened in each minute, hour and day, and since the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, String, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from webapp.models.base import Base, BigId

Sparse = JSON().with_variant(JSONB(), "postgresql")
# What a row adds up. `failed` is what is left of `total`; `cost` is in millionths of the currency of the prices.
SUMS = ("total", "succeeded", "unknown", "retried", "retries", "fallbacks", "cost", "duration_ms")
SPREADS = ("codes", "latencies")


def _columns() -> Iterator[Column[Any]]:
    for name in SUMS:
        yield Column(name, BigInteger, nullable=False, server_default="0")
    for name in SPREADS:
        yield Column(name, Sparse, nullable=False, server_default=text("'{}'"))


def _table(name: str, *indexes: Index) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("scope", String(12), primary_key=True),  # all, service, contract, operation or route
        Column("key", String(120), primary_key=True),  # which of them; empty for all
        Column("start_s", BigId, primary_key=True, autoincrement=False),  # seconds since 1970, UTC
        *_columns(),
        *indexes,
    )


minutes = _table("rollup_minutes", Index("ix_rollup_minutes_start_s", "start_s"))
hours = _table("rollup_hours", Index("ix_rollup_hours_start_s", "start_s"))
days = _table("rollup_days", Index("ix_rollup_days_start_s", "start_s"))
totals = _table("rollup_totals")
# What was counted and is not added to the tables above yet: writing a row is far cheaper than letting one grow.
fresh = Table(
    "rollup_fresh",
    Base.metadata,
    Column("fresh_id", BigId, primary_key=True),
    Column("scope", String(12), nullable=False),
    Column("key", String(120), nullable=False),
    Column("start_s", BigId, nullable=False),  # of the minute
    *_columns(),
)
