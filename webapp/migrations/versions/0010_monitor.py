"""Make what recurring windows and conditional changes of alerts need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    windows()
    revisions()


def windows() -> None:
    """Windows that repeat; those there are do not, and are over when they end."""
    for column in (
        sa.Column("repeats", sa.String(length=10), nullable=True),
        sa.Column("time_zone", sa.String(length=60), server_default="UTC", nullable=False),
        sa.Column("repeat_until", MOMENT, nullable=True),
        sa.Column("skipped_until", MOMENT, nullable=True),
        sa.Column("over_at", MOMENT, nullable=True),
    ):
        op.add_column("maintenance_windows", column)
    op.execute("UPDATE maintenance_windows SET over_at = ends_at")
    op.drop_index("ix_maintenance_windows_ends_at", table_name="maintenance_windows")
    op.create_index("ix_maintenance_windows_over_at", "maintenance_windows", ["over_at"], unique=False)


def revisions() -> None:
    """What a client has seen of a channel or a rule, so that nobody overwrites another's change unseen."""
    for table in ("alert_channels", "alert_rules"):
        op.add_column(table, sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
