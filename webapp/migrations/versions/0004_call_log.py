"""Give the call log its words, its indexes and its days, and pack the bodies of an attempt into one text.

Rows that are there are kept; on PostgreSQL they become the oldest part of the partitioned tables.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from webapp.log.bodies import pack
from webapp.log.days import DAY, PARTED, before_today, note
from webapp.log.entries import Bodies
from webapp.log.searchtext import words_of
from webapp.log.wordindex import SQLITE_DDL, add_words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLICE = 2_000
MEMBERS = ("request_headers", "request_payload", "response_headers", "response_payload")
INDEXES: tuple[tuple[str, list[str], str | None], ...] = (
    ("service_id_log_id", ["service_id", "log_id"], None),
    ("other_outcomes", ["outcome", "log_id"], "outcome <> 'succeeded'"),
    ("service_outcomes", ["service_id", "outcome", "log_id"], "outcome <> 'succeeded'"),
    ("slow", ["log_id", "duration_ms"], "duration_ms >= 1000"),
    ("service_slow", ["service_id", "log_id"], "duration_ms >= 1000"),
    ("repeated", ["log_id"], "attempt_no > 1"),
    ("other_kinds", ["kind", "log_id"], "kind <> 'attempt'"),
    ("code", ["code", "log_id"], "code IS NOT NULL"),
    ("status", ["log_id", "response_status_code"], "response_status_code >= 400"),
    ("correlation_id", ["correlation_id"], None),
    ("recipient_hash", ["recipient_hash"], None),
    ("call_id", ["call_id"], None),
)
OLD_INDEXES = {"service_id_log_id", "correlation_id", "recipient_hash", "call_id"}


def upgrade() -> None:
    """Tables and indexes first, then what is made from the rows that are there."""
    days()
    partitioned = op.get_bind().dialect.name == "postgresql"
    if partitioned:
        partition()
    else:
        op.execute(SQLITE_DDL)
    index(everything=partitioned)
    pending = sa.text("outcome = 'pending'")
    op.create_index(
        "ix_calls_pending", "calls", ["call_id"], unique=False, sqlite_where=pending, postgresql_where=pending
    )
    repack()
    read_rows()


def days() -> None:
    """What is known of each day."""
    op.create_table(
        "log_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("attempts", "bodies", "body_bytes")),
        sa.Column("drift_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_log_days")),
    )


def partition() -> None:
    """Let the table of attempts become a part of one with parts; the words of attempts are made like that at once."""
    op.execute("CREATE SCHEMA log_days")
    op.drop_constraint(op.f("fk_call_bodies_log_id_call_logs"), "call_bodies", type_="foreignkey")
    op.execute("ALTER TABLE call_logs SET SCHEMA log_days")
    op.execute("ALTER TABLE log_days.call_logs RENAME TO call_logs_before")
    op.execute(
        "CREATE TABLE call_logs (LIKE log_days.call_logs_before INCLUDING DEFAULTS) PARTITION BY RANGE (log_id)"
    )
    op.create_primary_key(op.f("pk_call_logs"), "call_logs", ["log_id"])
    op.execute(
        "CREATE TABLE call_words (log_id BIGINT PRIMARY KEY, words TEXT[] NOT NULL) PARTITION BY RANGE (log_id)"
    )
    op.execute("CREATE INDEX ix_call_words_words ON call_words USING gin (words)")
    op.execute("CREATE TABLE log_days.call_words_before (LIKE call_words INCLUDING ALL)")


def attach() -> None:
    """Let what is there be the first part, up to the end of today; what is empty goes."""
    used = op.get_bind().execute(sa.text("SELECT EXISTS (SELECT FROM log_days.call_logs_before)")).scalar()
    end = before_today(time.time())
    for name in PARTED:
        part = f"log_days.{name}_before"
        if used:
            op.execute(f"ALTER TABLE {name} ATTACH PARTITION {part} FOR VALUES FROM (MINVALUE) TO ({end})")
        else:
            op.execute(f"DROP TABLE {part}")


def index(*, everything: bool) -> None:
    """The indexes of attempts."""
    if not everything:
        op.drop_index("ix_call_logs_failures", "call_logs")
    for name, columns, condition in INDEXES:
        if everything or name not in OLD_INDEXES:
            where = sa.text(condition) if condition else None
            op.create_index(
                f"ix_call_logs_{name}", "call_logs", columns, unique=False, sqlite_where=where, postgresql_where=where
            )  # fmt: skip


def repack() -> None:
    """Move bodies from four columns into one."""
    connection = op.get_bind()
    op.rename_table("call_bodies", "call_bodies_before")
    partitioned = connection.dialect.name == "postgresql"
    if partitioned:
        op.execute("ALTER TABLE call_bodies_before RENAME CONSTRAINT pk_call_bodies TO pk_call_bodies_before")
    op.create_table(
        "call_bodies",
        sa.Column("log_id", BIG, autoincrement=False, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.Column("compressed", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_call_bodies")),
        postgresql_partition_by="RANGE (log_id)",
    )
    if partitioned:
        op.execute("CREATE TABLE log_days.call_bodies_before (LIKE call_bodies INCLUDING ALL)")
        attach()
    insert = sa.text(
        "INSERT INTO call_bodies (log_id, packed, compressed) VALUES (:log_id, :packed, :compressed)"
    )
    for rows in slices("call_bodies_before"):
        connection.execute(insert, [pack(row["log_id"], unpacked(row)) for row in rows])
    op.drop_table("call_bodies_before")


def unpacked(row: Any) -> Bodies:
    """Bodies as they lay before: each member compressed by itself."""
    values = {name: json.loads(zlib.decompress(row[name])) for name in MEMBERS if row[name] is not None}
    return Bodies(**values)


def read_rows() -> None:
    """Make the words of the attempts that are there, and count them by day."""
    connection = op.get_bind()
    for rows in slices("call_logs"):
        add_words(connection, [(row["log_id"], words_of(row)) for row in rows if row["response_timestamp"]])
        note(connection, [(row["log_id"], moment(row["request_timestamp"])) for row in rows], {})
    sizes = f"SELECT log_id / {DAY}, count(*), sum(length(packed)) FROM call_bodies GROUP BY 1"  # noqa: S608
    for day, count, size in connection.execute(sa.text(sizes)).all():
        connection.execute(
            sa.text("UPDATE log_days SET bodies = :count, body_bytes = :size WHERE day = :day"),
            {"day": day, "count": count, "size": size},
        )


def slices(table: str) -> Iterator[list[Any]]:
    """All rows of a table in the order of their ids, some at a time."""
    connection, last = op.get_bind(), -1
    query = sa.text(f"SELECT * FROM {table} WHERE log_id > :last ORDER BY log_id LIMIT {SLICE}")  # noqa: S608
    while rows := list(connection.execute(query, {"last": last}).mappings()):
        yield rows
        last = rows[-1]["log_id"]


def moment(stored: Any) -> datetime:
    """A time as the driver gives it; SQLite keeps text."""
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored
