"""A configured service: the seed's ThirdPartyServiceConfiguration."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, validates

from webapp.ids import uuid7
from webapp.models.base import Base, Uuid, utcnow


def name_key(name: str) -> str:
    """Fold a name to what decides whether two names are the same: case and width do not count."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


class ThirdPartyServiceConfiguration(Base):
    """One vendor account as an administrator set it up; `configurations` never holds a secret."""

    __tablename__ = "services"
    __table_args__ = (
        Index(
            "uq_services_name_key",
            "name_key",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_services_contract_service_type", "contract", "service_type"),
    )

    service_id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=uuid7)
    service_name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(String(480))
    service_type: Mapped[str] = mapped_column(String(80))
    contract: Mapped[str] = mapped_column(String(80))
    description: Mapped[str | None] = mapped_column(Text)
    configurations: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secrets: Mapped[dict[str, str]] = mapped_column(default=dict)  # field name → id of its row in `secrets`
    is_enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    default_timeout_ms: Mapped[int | None]
    retry_policy: Mapped[dict[str, Any] | None]
    rate_limit: Mapped[dict[str, Any] | None]
    quotas: Mapped[dict[str, Any] | None]
    durability: Mapped[str] = mapped_column(String(10), default="process", server_default="process")
    keep_inputs: Mapped[bool] = mapped_column(
        default=False, server_default=false()
    )  # so that calls can be made again
    breaker_override: Mapped[dict[str, Any] | None]  # what an operator decided: see webapp.registry.overrides
    health_check_endpoint: Mapped[str | None] = mapped_column(String(2048))
    health_interval_s: Mapped[int] = mapped_column(default=60, server_default="60")
    health_policy: Mapped[dict[str, Any] | None]  # thresholds of its state: see webapp.registry.fields
    revision: Mapped[int] = mapped_column(default=1)
    tested_at: Mapped[datetime | None]
    tested_verdict: Mapped[str | None] = mapped_column(String(20))
    tested_revision: Mapped[int | None]
    sandbox: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)
    deleted_at: Mapped[datetime | None]

    @validates("service_name")
    def _keep_key(self, _attribute: str, name: str) -> str:
        """Let the unique key follow the name."""
        self.name_key = name_key(name)
        return name

    @property
    def is_deleted(self) -> bool:
        """Whether it was deleted; the row stays for the log and for undo."""
        return self.deleted_at is not None

    @property
    def scope(self) -> str:
        """The scope of the data key under which this service's secrets are sealed."""
        return f"svc:{self.service_id}"


Service = ThirdPartyServiceConfiguration
