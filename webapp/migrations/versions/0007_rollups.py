"""Make the roll-ups of the call log, and note of each call what they sum up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SPARSE = sa.JSON().with_variant(JSONB(), "postgresql")
SUMS = ("total", "succeeded", "unknown", "retried", "retries", "fallbacks", "cost", "duration_ms")
NEW = {
    "calls": (
        sa.Column("route", sa.String(length=120), nullable=True),
        sa.Column("candidate_no", sa.Integer(), nullable=True),
        sa.Column("cost", sa.BigInteger(), nullable=True),
    ),
    "call_logs": (sa.Column("cost", sa.BigInteger(), nullable=True),),
}


def upgrade() -> None:
    columns()
    for name in ("rollup_minutes", "rollup_hours", "rollup_days", "rollup_totals"):
        table(name)
    fresh()


def columns() -> None:
    """What a call cost and which way it took; the log may have been made with these columns, or lie elsewhere."""
    inspector = sa.inspect(op.get_bind())
    present = set(inspector.get_table_names())
    for name, added in NEW.items():
        known = {column["name"] for column in inspector.get_columns(name)} if name in present else None
        for column in added:
            if known is not None and column.name not in known:
                op.add_column(name, column)


def sums() -> list[sa.Column]:
    """What is added up."""
    numbers = [sa.Column(sum_, sa.BigInteger(), server_default="0", nullable=False) for sum_ in SUMS]
    spreads = [
        sa.Column(name, SPARSE, server_default=sa.text("'{}'"), nullable=False) for name in ("codes", "latencies")
    ]
    return numbers + spreads


def fresh() -> None:
    """What waits to be added to the others."""
    op.create_table(
        "rollup_fresh",
        sa.Column("fresh_id", BIG, nullable=False),
        sa.Column("scope", sa.String(length=12), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("start_s", BIG, nullable=False),
        *sums(),
        sa.PrimaryKeyConstraint("fresh_id", name=op.f("pk_rollup_fresh")),
    )


def table(name: str) -> None:
    """One grain."""
    op.create_table(
        name,
        sa.Column("scope", sa.String(length=12), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("start_s", BIG, autoincrement=False, nullable=False),
        *sums(),
        sa.PrimaryKeyConstraint("scope", "key", "start_s", name=op.f(f"pk_{name}")),
    )
    if name != "rollup_totals":
        op.create_index(f"ix_{name}_start_s", name, ["start_s"], unique=False)
