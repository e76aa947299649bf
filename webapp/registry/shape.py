"""A service as JSON: what the API answers, and what pages read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from webapp.models.secret import Secret
from webapp.registry.condition import HealthRow, ServiceColumns, condition_of
from webapp.registry.drafts import secret_specs
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable

_PLAIN = (
    "service_id",
    "service_name",
    "service_type",
    "contract",
    "description",
    "is_enabled",
    "default_timeout_ms",
    "durability",
    "keep_inputs",
    "configurations",
    "retry_policy",
    "rate_limit",
    "quotas",
    "health_check_endpoint",
    "health_interval_s",
    "health_policy",
    "sandbox",
    "revision",
)


def to_dict(
    service: ServiceColumns,
    secrets: Mapping[str, Secret],
    health: HealthRow | None,
    *,
    runtime: Runtime,
    unreadable: Collection[str] = (),
) -> dict[str, Any]:
    """All of a service but its secrets, of which only the existence is told."""
    return {name: getattr(service, name) for name in _PLAIN} | {
        "secrets": _secrets(service, secrets, runtime, unreadable),
        "tested": _tested(service),
        "health": health_dict(service, health, runtime.clock.now()),
        "created_at": moment(service.created_at),
        "updated_at": moment(service.updated_at),
    }


def health_dict(service: ServiceColumns, health: HealthRow | None, now: datetime) -> dict[str, Any]:
    """The state of a service as people see it, since when, and what the last check found."""
    condition = condition_of(service, health, now)
    return {
        "state": condition.state,
        "since": moment(condition.since),
        "checked_at": moment(health.checked_at) if health else None,
        "latency_ms": health.latency_ms if health else None,
        "code": condition.code,
        "open_until": moment(condition.open_until),
    }


def unreadable_fields(session: Session, runtime: Runtime, pointers: Mapping[str, str]) -> frozenset[str]:
    """The secrets that are stored but cannot be opened: they must be entered again."""
    return frozenset(name for name, secret_id in pointers.items() if not _opens(session, runtime, secret_id))


def _opens(session: Session, runtime: Runtime, secret_id: str) -> bool:
    secret = session.get(Secret, secret_id)
    if secret is not None and secret.kind == "ref":
        return True  # a list asks nobody outside; a test and a call do
    try:
        runtime.vault.open(session, secret_id)
    except SecretUnreadable:
        return False
    return True


def moment(value: datetime | None) -> str | None:
    """A moment as JSON has it: UTC, with milliseconds."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tested(service: ServiceColumns) -> dict[str, Any] | None:
    if service.tested_at is None:
        return None
    return {
        "at": moment(service.tested_at),
        "verdict": service.tested_verdict,
        "revision": service.tested_revision,
    }


def _secrets(
    service: ServiceColumns, secrets: Mapping[str, Secret], runtime: Runtime, unreadable: Collection[str]
) -> dict[str, Any]:
    entry = runtime.catalog.get(service.service_type)
    names = [*(secret_specs(entry) if entry else ()), *service.secrets]
    return {name: _secret(secrets.get(name), name in unreadable) for name in dict.fromkeys(names)}


def _secret(secret: Secret | None, needs_reentry: bool) -> dict[str, Any]:
    if secret is None:
        return {"is_set": False, "hint": None, "set_at": None, "set_by": None, "expires_at": None}
    return {
        "is_set": True,
        "hint": f"…{secret.hint}" if secret.hint else None,
        "set_at": moment(secret.created_at),
        "set_by": secret.created_by,
        "expires_at": moment(secret.expires_at),
        "needs_reentry": needs_reentry,
        **({"reference": secret.ref_uri} if secret.kind == "ref" else {}),
    }
