"""Make what linked accounts need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)
ID = sa.String(length=36)
LIVE = sa.text("ended_at IS NULL")


def upgrade() -> None:
    links()
    tokens()
    attempts()
    usage()


def links() -> None:
    """The accounts that people linked."""
    op.create_table(
        "links",
        sa.Column("link_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("service_id", ID, nullable=False),
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("account_label", sa.String(length=255), nullable=False),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("linked_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("last_used_by", sa.String(length=120), nullable=True),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("asked_again_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("refresh_expires_at", MOMENT, nullable=True),
        sa.Column("can_refresh", sa.Boolean(), nullable=False),
        sa.Column("refreshed_at", MOMENT, nullable=True),
        sa.Column("refresh_due_at", MOMENT, nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("lease_by", ID, nullable=True),
        sa.Column("failure", sa.String(length=60), nullable=True),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_links_user_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.service_id"],
            name=op.f("fk_links_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_links")),
    )
    live = {"unique": True, "sqlite_where": LIVE, "postgresql_where": LIVE}
    op.create_index("uq_links_live_person", "links", ["user_id", "service_id"], **live)
    op.create_index("uq_links_live_account", "links", ["service_id", "account_id"], **live)
    op.create_index("ix_links_user_id", "links", ["user_id"], unique=False)
    op.create_index("ix_links_service_id_state", "links", ["service_id", "state", "link_id"], unique=False)
    failed = sa.text("failure IS NOT NULL")
    op.create_index(
        "ix_links_service_id_failure",
        "links",
        ["service_id", "failure"],
        unique=False,
        sqlite_where=failed,
        postgresql_where=failed,
    )
    op.create_index("ix_links_refresh_due_at", "links", ["refresh_due_at"], unique=False)


def tokens() -> None:
    """Their tokens, sealed."""
    op.create_table(
        "link_tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("dek_id", ID, nullable=False),
        sa.Column("ct", sa.Text(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["id"], ["links.link_id"], name=op.f("fk_link_tokens_id_links"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["dek_id"], ["data_keys.id"], name=op.f("fk_link_tokens_dek_id_data_keys"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_tokens")),
    )
    op.create_index("ix_link_tokens_dek_id", "link_tokens", ["dek_id"], unique=False)


def attempts() -> None:
    """Who is on the way to a provider."""
    op.create_table(
        "link_attempts",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("service_id", ID, nullable=False),
        sa.Column("account_hash", sa.String(length=64), nullable=True),
        sa.Column("redirect_uri", sa.String(length=2048), nullable=False),
        sa.Column("target", sa.String(length=2048), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_link_attempts_user_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["services.service_id"],
            name=op.f("fk_link_attempts_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_link_attempts")),
    )
    op.create_index("ix_link_attempts_expires_at", "link_attempts", ["expires_at"], unique=False)


def usage() -> None:
    """What used a link, by day."""
    op.create_table(
        "link_usage",
        sa.Column("link_id", ID, nullable=False),
        sa.Column("point", sa.String(length=120), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.link_id"], name=op.f("fk_link_usage_link_id_links"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("link_id", "point", "day", name=op.f("pk_link_usage")),
    )
