"""Make what health, incidents and alerts need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)
ID = sa.String(length=36)


def upgrade() -> None:
    states()
    history()
    incidents()
    maintenance()
    alerts()


def states() -> None:
    """What decides the state of a service."""
    op.add_column("services", sa.Column("health_policy", JSON, nullable=True))
    for column in (
        sa.Column("marks", sa.String(length=40), server_default="", nullable=False),
        sa.Column("falls", JSON, nullable=True),
        sa.Column("checked_s", BIG, nullable=True),
        sa.Column("spread", sa.Integer(), server_default="1000", nullable=False),
        sa.Column("probed_at", MOMENT, nullable=True),
        sa.Column("maintenance_until", MOMENT, nullable=True),
    ):
        op.add_column("service_health", column)
    op.create_table(
        "monitor_settings",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_monitor_settings")),
    )


def history() -> None:
    """Checks, and their sums by hour and day."""
    op.create_table(
        "health_checks",
        sa.Column("check_id", BIG, nullable=False),
        sa.Column("service_id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("mark", sa.String(length=1), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("stages", JSON, nullable=False),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_health_checks")),
    )
    op.create_index("ix_health_checks_service_id_at", "health_checks", ["service_id", "at"], unique=False)
    op.create_index("ix_health_checks_at", "health_checks", ["at"], unique=False)
    for table in ("health_hours", "health_days"):
        op.create_table(
            table,
            sa.Column("service_id", ID, nullable=False),
            sa.Column("start", MOMENT, nullable=False),
            sa.Column("up", sa.Integer(), nullable=False),
            sa.Column("warned", sa.Integer(), nullable=False),
            sa.Column("down", sa.Integer(), nullable=False),
            sa.Column("excused", sa.Integer(), nullable=False),
            sa.Column("latency_sum", BIG, nullable=False),
            sa.Column("latencies", JSON, nullable=True),
            sa.PrimaryKeyConstraint("service_id", "start", name=op.f(f"pk_{table}")),
        )
        op.create_index(f"ix_{table}_start", table, ["start"], unique=False)


def incidents() -> None:
    """Incidents and their timelines."""
    op.create_table(
        "incidents",
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("subject", ID, nullable=False),
        sa.Column("service_name", sa.String(length=120), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.Column("message", JSON, nullable=True),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("acknowledged_at", MOMENT, nullable=True),
        sa.Column("acknowledged_by", sa.String(length=254), nullable=True),
        sa.Column("affected_calls", sa.Integer(), nullable=False),
        sa.Column("affected_more", sa.Boolean(), nullable=False),
        sa.Column("points", JSON, nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("carried_by", JSON, nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_incidents")),
    )
    op.create_index(
        "uq_incidents_open_subject",
        "incidents",
        ["subject"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"], unique=False)
    op.create_index("ix_incidents_subject_opened_at", "incidents", ["subject", "opened_at"], unique=False)
    op.create_table(
        "incident_entries",
        sa.Column("entry_id", BIG, nullable=False),
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("detail", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.incident_id"],
            name=op.f("fk_incident_entries_incident_id_incidents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_incident_entries")),
    )
    op.create_index("ix_incident_entries_incident_id", "incident_entries", ["incident_id"], unique=False)


def maintenance() -> None:
    """Windows in which nobody is alarmed."""
    op.create_table(
        "maintenance_windows",
        sa.Column("window_id", ID, nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("services", JSON, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("window_id", name=op.f("pk_maintenance_windows")),
    )
    op.create_index("ix_maintenance_windows_ends_at", "maintenance_windows", ["ends_at"], unique=False)


def alerts() -> None:
    """Channels, rules and what became of every message."""
    op.create_table(
        "alert_channels",
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=True),
        sa.Column("recipients", JSON, nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("secret_id", ID, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("worked_at", MOMENT, nullable=True),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("failure", sa.String(length=60), nullable=True),
        sa.Column("tested_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["secret_id"], ["secrets.id"], name=op.f("fk_alert_channels_secret_id_secrets"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_alert_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_alert_channels_name")),
    )
    op.create_table(
        "alert_rules",
        sa.Column("rule_id", ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("services", JSON, nullable=False),
        sa.Column("states", JSON, nullable=False),
        sa.Column("after_s", sa.Integer(), nullable=False),
        sa.Column("channels", JSON, nullable=False),
        sa.Column("remind_every_s", sa.Integer(), nullable=True),
        sa.Column("digest_s", sa.Integer(), nullable=True),
        sa.Column("quiet_from", sa.String(length=5), nullable=True),
        sa.Column("quiet_to", sa.String(length=5), nullable=True),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_alert_rules")),
        sa.UniqueConstraint("name", name=op.f("uq_alert_rules_name")),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("delivery_id", BIG, nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("rule_id", ID, nullable=True),
        sa.Column("incident_id", ID, nullable=True),
        sa.Column("channels", JSON, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("reached", ID, nullable=True),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_alert_deliveries")),
        sa.UniqueConstraint("key", name=op.f("uq_alert_deliveries_key")),
    )
    op.create_index("ix_alert_deliveries_status_due_at", "alert_deliveries", ["status", "due_at"], unique=False)
    op.create_index("ix_alert_deliveries_incident_id", "alert_deliveries", ["incident_id"], unique=False)
