"""Enable, disable, delete and bring back: changes of state that leave the settings alone."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, SettingsInvalid, N_
from webapp.db import begin_write
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import history
from webapp.registry.assemble import open_config
from webapp.registry.drafts import Draft
from webapp.registry.errors import Conflict, Invalid, KeysUnavailable, NotFound, Stale, in_settings
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable

UNDO_DAYS = 30
LOCK = "services"  # services are saved one at a time: names and revisions are read before they are written


def enable(
    session: Session,
    runtime: Runtime,
    service: Service,
    *,
    actor: str,
    origin: str,
    expected_revision: int | None = None,
) -> Service:
    """Let calls use the service, tested or not (see `untested`); it must be complete and readable.

    Raises Stale, AdapterMissing, Invalid, KeysUnavailable or Conflict (CREDENTIALS_UNREADABLE).
    """
    _lock(session, service, expected_revision)
    if service.is_enabled:
        return service
    require_complete(session, runtime, service)
    service.is_enabled = True
    _save(session, runtime, service, actor=actor, origin=origin, action="service.enable")
    return service


def disable(
    session: Session,
    runtime: Runtime,
    service: Service,
    *,
    actor: str,
    origin: str,
    expected_revision: int | None = None,
) -> Service:
    """Keep calls away from the service. Raises Stale."""
    _lock(session, service, expected_revision)
    if service.is_enabled:
        service.is_enabled = False
        _save(session, runtime, service, actor=actor, origin=origin, action="service.disable")
    return service


def delete(
    session: Session,
    runtime: Runtime,
    service: Service,
    *,
    actor: str,
    origin: str,
    expected_revision: int | None = None,
) -> None:
    """Take the service away; for 30 days `restore_deleted` brings it back as it was. Raises Stale."""
    _lock(session, service, expected_revision)
    if service.deleted_at is None:
        service.deleted_at = runtime.clock.now()
        service.is_enabled = False
        _save(session, runtime, service, actor=actor, origin=origin, action="service.delete")


def restore_deleted(
    session: Session, runtime: Runtime, service_id: str, *, actor: str, origin: str
) -> Service:
    """Undo a deletion. Raises NotFound after 30 days and Conflict (NAME_TAKEN) when the name is used again."""
    begin_write(session, LOCK)
    service = session.get(Service, service_id, populate_existing=True)
    if service is None or service.deleted_at is None or _too_late(runtime, service):
        raise NotFound(Message.of(N_("There is no deleted service that could be brought back.")))
    same = select(Service.service_id).where(
        Service.name_key == service.name_key, Service.deleted_at.is_(None)
    )
    if session.scalar(same.limit(1)) is not None:
        text = N_("There is already a service called %(name)s.")
        raise Conflict("NAME_TAKEN", Message.of(text, name=service.service_name))
    before = history.revision(session, service_id, service.revision - 1)
    service.deleted_at = None
    service.is_enabled = bool(before.snapshot["is_enabled"])
    _save(session, runtime, service, actor=actor, origin=origin, action="service.restore")
    return service


def untested(service: Service) -> bool:
    """Whether what is stored now was never tested with success; enabling it deserves a warning."""
    return service.tested_revision != service.revision or service.tested_verdict not in {
        "verified",
        "limited",
    }


def require_complete(
    session: Session, runtime: Runtime, service: Service, draft: Draft | None = None
) -> None:
    """Refuse to enable what could not be used: settings missing, secrets unreadable. Raises as `enable`."""
    try:
        if draft is None:
            open_config(session, runtime, service)
        else:
            draft.config(session, runtime.vault)
    except SettingsInvalid as invalid:
        raise Invalid(in_settings(invalid.errors)) from None
    except SecretUnreadable:
        if runtime.vault.state().locked:
            raise KeysUnavailable(
                Message.of(N_("The keys are not available, so its secrets cannot be read."))
            ) from None
        text = N_("A stored secret cannot be read any more: enter it again.")
        raise Conflict("CREDENTIALS_UNREADABLE", Message.of(text)) from None


def advance(service: Service, *, still_tested: bool = True) -> None:
    """Go to the next revision; a test stays valid while neither settings nor secrets change."""
    if still_tested and service.tested_revision == service.revision:
        service.tested_revision = service.revision + 1
    service.revision += 1


def _lock(session: Session, service: Service, expected_revision: int | None) -> None:
    begin_write(session, LOCK)
    session.refresh(service)
    if expected_revision is not None and expected_revision != service.revision:
        raise Stale(service.revision)


def _too_late(runtime: Runtime, service: Service) -> bool:
    assert service.deleted_at is not None
    return runtime.clock.now() - service.deleted_at > timedelta(days=UNDO_DAYS)


def _save(
    session: Session, runtime: Runtime, service: Service, *, actor: str, origin: str, action: str
) -> None:
    advance(service)
    service.updated_at = runtime.clock.now()
    session.flush()
    history.record(session, runtime, service, actor=actor, origin=origin, action=action)
