"""Make what keys, credentials and people need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    people()
    audit()
    keys()
    credentials()


def people() -> None:
    """Second factors, one-time links, and where tokens and sessions come from."""
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("secret_id", sa.String(length=36), nullable=True),
        sa.Column("pending_id", sa.String(length=36), nullable=True),
        sa.Column("last_step", BIG, nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_second_factors_user_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["secret_id"], ["secrets.id"], name=op.f("fk_second_factors_secret_id_secrets"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["pending_id"], ["secrets.id"], name=op.f("fk_second_factors_pending_id_secrets"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("hash", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_recovery_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_recovery_codes")),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"], unique=False)
    op.create_table(
        "account_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_account_links_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_account_links")),
    )
    op.create_index("ix_account_links_user_id", "account_links", ["user_id"], unique=False)
    op.add_column("user_sessions", sa.Column("method", sa.String(length=20), nullable=True))
    op.add_column("users", sa.Column("identity", sa.String(length=255), nullable=True))
    op.create_index("uq_users_identity", "users", ["identity"], unique=True)
    op.add_column("api_tokens", sa.Column("networks", sa.JSON(), nullable=True))
    op.add_column("api_tokens", sa.Column("last_used_ip", sa.String(length=45), nullable=True))


def audit() -> None:
    """Find entries by who and by what."""
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor"], unique=False)
    op.create_index("ix_audit_entries_action", "audit_entries", ["action"], unique=False)


def keys() -> None:
    """Who can use which key, and the jobs of rotation."""
    op.create_table(
        "key_processes",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("host", sa.String(length=80), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("fingerprints", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_processes")),
    )
    op.create_table(
        "key_jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_jobs")),
    )
    op.create_index("ix_key_jobs_state", "key_jobs", ["state"], unique=False)


def credentials() -> None:
    """Next and previous values of secrets, reminders of what ends, and which revision was tested."""
    op.create_table(
        "staged_secrets",
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("field", sa.String(length=120), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("secret_id", sa.String(length=36), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_by", sa.String(length=254), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tested_verdict", sa.String(length=20), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.service_id"],
            name=op.f("fk_staged_secrets_service_id_services"), ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["secret_id"], ["secrets.id"], name=op.f("fk_staged_secrets_secret_id_secrets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", "field", "stage", name=op.f("pk_staged_secrets")),
    )
    op.create_index("ix_staged_secrets_until", "staged_secrets", ["until"], unique=False)
    op.create_table(
        "expiry_reminders",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("field", sa.String(length=120), nullable=True),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.service_id"],
            name=op.f("fk_expiry_reminders_service_id_services"), ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_expiry_reminders")),
        sa.UniqueConstraint("subject", "expires_at", "days", name=op.f("uq_expiry_reminders_subject_expires_at_days")),
    )
    op.create_index("ix_expiry_reminders_created_at", "expiry_reminders", ["created_at"], unique=False)
    op.add_column("service_revisions", sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("service_revisions", sa.Column("tested_verdict", sa.String(length=20), nullable=True))
