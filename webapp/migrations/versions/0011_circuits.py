"""Make what health needs to follow circuit breakers, and what windows need to be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOT_CLOSED = sa.text("gate IS NOT NULL")


def upgrade() -> None:
    circuits()
    revisions()


def circuits() -> None:
    """How the breaker of a service stands; those there are count as closed until they change."""
    op.add_column("service_health", sa.Column("gate", sa.String(length=12), nullable=True))
    op.add_column("service_health", sa.Column("gate_until", MOMENT, nullable=True))
    op.create_index(
        "ix_service_health_gate",
        "service_health",
        ["gate"],
        unique=False,
        sqlite_where=NOT_CLOSED,
        postgresql_where=NOT_CLOSED,
    )


def revisions() -> None:
    """What a client has seen of a maintenance window, so that nobody overwrites another's change unseen."""
    column = sa.Column("revision", sa.Integer(), server_default="1", nullable=False)
    op.add_column("maintenance_windows", column)
