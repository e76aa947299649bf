"""Make what the call engine keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    reconcile()
    gates()
    journal()


def reconcile() -> None:
    """Calls whose outcome nobody knows."""
    op.create_table(
        "reconcile_items",
        sa.Column("call_id", BIG, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation", sa.String(length=80), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=True),
        sa.Column("service_type", sa.String(length=80), nullable=True),
        sa.Column("integration_point", sa.String(length=120), nullable=True),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("recipient_mask", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.Column("params_id", sa.String(length=36), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("next_lookup_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lookup_message", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("resent_call_id", BIG, nullable=True),
        sa.ForeignKeyConstraint(
            ["params_id"], ["secrets.id"], name=op.f("fk_reconcile_items_params_id_secrets"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_reconcile_items")),
    )
    op.create_index("ix_reconcile_items_state_call_id", "reconcile_items", ["state", "call_id"], unique=False)
    op.create_index("ix_reconcile_items_next_lookup_at", "reconcile_items", ["next_lookup_at"], unique=False)
    op.create_index(
        "ix_calls_unknown",
        "calls",
        ["call_id"],
        unique=False,
        sqlite_where=sa.text("outcome = 'unknown'"),
        postgresql_where=sa.text("outcome = 'unknown'"),
    )


def gates() -> None:
    """Quotas and an operator's word about the breaker of a service; the steps a call took."""
    op.add_column("services", sa.Column("quotas", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("services", sa.Column("breaker_override", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("calls", sa.Column("trace", sa.String(80), nullable=True))


def journal() -> None:
    """How safe the record of a call has to be before the call goes on."""
    op.add_column(
        "services", sa.Column("durability", sa.String(length=10), server_default="process", nullable=False)
    )
