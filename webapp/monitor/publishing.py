"""What strangers may see: badges under addresses nobody can guess, and a status page, off until switched on."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models.health import MonitorSetting, ServiceHealth
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.condition import health_state
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_STATUS, _BADGES = "status_page", "badges"


def badge_token(session: Session, runtime: Runtime, service_id: str) -> str | None:
    """The part of a badge's address that cannot be guessed; None before the first one was asked for."""
    row = session.get(MonitorSetting, _BADGES)
    return _token(runtime, str(row.value["salt"]), service_id) if row else None


def has_badges(session: Session) -> bool:
    """Whether badges are offered at all."""
    return session.get(MonitorSetting, _BADGES) is not None


def renew_badges(session: Session, runtime: Runtime, *, actor: str) -> None:
    """Give every badge a new address; the old ones lead nowhere from now on. The caller commits."""
    _set(session, _BADGES, {"salt": secrets.token_hex(16)})
    audit.append(session, runtime, actor=actor, action="badges.renew", target=_BADGES)


def _token(runtime: Runtime, salt: str, service_id: str) -> str:
    key = runtime.vault.derive(b"badge")
    digest = hmac.digest(key, f"{salt}:{service_id}".encode(), "sha256")
    return base64.b32encode(digest[:15]).decode().lower()


def service_of(session: Session, runtime: Runtime, token: str) -> tuple[str, str] | None:
    """Name and state of the service whose badge this is."""
    row = session.get(MonitorSetting, _BADGES)
    if row is None or len(token) != 24:  # noqa: PLR2004 - as long as ours
        return None
    salt = str(row.value["salt"])
    for service_id in session.scalars(select(Service.service_id).where(Service.deleted_at.is_(None))):
        if hmac.compare_digest(_token(runtime, salt, service_id), token):
            service = session.get_one(Service, service_id)
            health = session.get(ServiceHealth, service_id)
            return service.service_name, health_state(service, health, runtime.clock.now())
    return None


def status_is_public(session: Session) -> bool:
    """Whether strangers may see the status page."""
    row = session.get(MonitorSetting, _STATUS)
    return bool(row and row.value.get("enabled"))


def publish_status(session: Session, runtime: Runtime, *, enabled: bool, actor: str) -> None:
    """Switch the public status page. The caller commits."""
    _set(session, _STATUS, {"enabled": enabled})
    audit.append(
        session,
        runtime,
        actor=actor,
        action="status_page.switch",
        target=_STATUS,
        detail={"enabled": enabled},
    )


def statuses(session: Session, runtime: Runtime) -> list[tuple[str, str]]:
    """Names and states of the enabled services: all that the public page says."""
    now = runtime.clock.now()
    query = (
        select(Service, ServiceHealth)
        .outerjoin(ServiceHealth, ServiceHealth.service_id == Service.service_id)
        .where(Service.is_enabled, Service.deleted_at.is_(None))
        .order_by(Service.name_key)
    )
    return [
        (service.service_name, health_state(service, health, now))
        for service, health in session.execute(query)
    ]


def _set(session: Session, name: str, value: dict[str, object]) -> None:
    row = session.get(MonitorSetting, name)
    if row is None:
        session.add(MonitorSetting(name=name, value=value))
    else:
        row.value = value
