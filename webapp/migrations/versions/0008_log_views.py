"""Make what saved views of the log and calls made again need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)
ID = sa.String(length=36)


def upgrade() -> None:
    views()
    replays()


def views() -> None:
    """Searches that somebody keeps."""
    op.create_table(
        "log_views",
        sa.Column("view_id", ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("search", JSON, nullable=False),
        sa.Column("owner", sa.String(length=60), nullable=False),
        sa.Column("owner_name", sa.String(length=254), nullable=False),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("view_id", name=op.f("pk_log_views")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_log_views_owner_name")),
    )
    op.create_index("ix_log_views_is_shared", "log_views", ["is_shared"], unique=False)


def replays() -> None:
    """Sealed inputs of calls, the services that keep them, and which call repeats which."""
    op.add_column(
        "services", sa.Column("keep_inputs", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "kept_inputs",
        sa.Column("call_id", BIG, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("params_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["params_id"], ["secrets.id"], name=op.f("fk_kept_inputs_params_id_secrets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_kept_inputs")),
    )
    op.create_index("ix_kept_inputs_created_at", "kept_inputs", ["created_at"], unique=False)
    op.create_table(
        "call_replays",
        sa.Column("call_id", BIG, nullable=False),
        sa.Column("original_id", BIG, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call_replays")),
    )
    op.create_index("ix_call_replays_original_id", "call_replays", ["original_id"], unique=False)
    op.create_index("ix_call_replays_created_at", "call_replays", ["created_at"], unique=False)
