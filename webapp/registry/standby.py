"""Values of secrets that are not in use: the next one, which waits, and the previous one, which stands by for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from adapters.kit import Message, Settings, SettingsInvalid, N_
from webapp.db import begin_write
from webapp.models.credential import NEXT, PREVIOUS, StagedSecret
from webapp.models.secret import Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.assemble import usable
from webapp.registry.drafts import Draft
from webapp.registry.errors import AdapterMissing, NotFound
from webapp.registry.switches import LOCK
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable, audit

PATCHBAY = "patchbay"  # the actor of what happens by itself


def staged(
    session: Session, service_id: str, field: str | None = None
) -> dict[tuple[str, str], StagedSecret]:
    """What is staged for a service, by field and stage."""
    query = select(StagedSecret).where(StagedSecret.service_id == service_id)
    if field is not None:
        query = query.where(StagedSecret.field == field)
    return {(row.field, row.stage): row for row in session.scalars(query)}


def wipe_previous(session: Session, runtime: Runtime, service: Service, field: str, *, actor: str) -> None:
    """Delete the previous value now. Raises NotFound. The caller commits."""
    begin_write(session, LOCK)
    session.refresh(service)
    require(session, service, field, PREVIOUS)
    drop(session, service, field, PREVIOUS)
    write_down(session, runtime, service, field, "secret.wipe", actor)


def wipe_due(session: Session, runtime: Runtime) -> int:
    """Delete every previous value whose grace is over; answers how many. The caller commits."""
    due = select(StagedSecret.service_id, StagedSecret.field).where(
        StagedSecret.stage == PREVIOUS, StagedSecret.until <= runtime.clock.now()
    )
    begin_write(session, LOCK)
    found = session.execute(due).all()
    for service_id, field in found:
        service = session.get_one(Service, service_id, populate_existing=True)
        drop(session, service, field, PREVIOUS)
        write_down(session, runtime, service, field, "secret.wipe", PATCHBAY)
    return len(found)


def previous_config(session: Session, runtime: Runtime, service: Service) -> Settings | None:
    """The service's settings with every previous value that still stands by; None when there is none.

    The rows are marked as used. The caller commits.
    """
    now = runtime.clock.now()
    rows = [row for (_, stage), row in staged(session, service.service_id).items() if stage == PREVIOUS]
    rows = [row for row in rows if row.until is not None and row.until > now]
    if not rows:
        return None
    plain, pointers = dict(service.configurations), dict(service.secrets)
    for row in rows:
        plain |= {name: value for name, value in (row.settings or {}).items() if value is not None}
        pointers[row.field] = row.secret_id
    try:
        entry = usable(runtime, service.service_type)
        config = Draft.for_restore(service, entry, plain, pointers, {}).config(session, runtime.vault)
    except (AdapterMissing, SecretUnreadable, SettingsInvalid):
        return None
    for row in rows:
        row.used_at = now
    return config


def require(session: Session, service: Service, field: str, stage: str) -> StagedSecret:
    """A staged value; raises NotFound."""
    row = session.get(StagedSecret, (service.service_id, field, stage))
    if row is None:
        text = (
            N_("No next value waits for this secret.") if stage == NEXT else N_("No previous value is kept.")
        )
        raise NotFound(Message.of(text))
    return row


def drop(session: Session, service: Service, field: str, stage: str) -> None:
    """Wipe a staged value: its row goes, and the sealed value with it unless the service uses that very one."""
    row = session.get(StagedSecret, (service.service_id, field, stage))
    if row is not None:
        session.delete(row)
        session.flush()
        if row.secret_id not in service.secrets.values():
            session.execute(delete(Secret).where(Secret.id == row.secret_id))


def keep_previous(  # noqa: PLR0917 - one caller, above
    session: Session,
    runtime: Runtime,
    service: Service,
    field: str,
    before: str | None,
    settings: Mapping[str, Any],
    grace: timedelta,
    actor: str,
) -> None:
    """Let the value that was just replaced stand by, in place of an older one; without grace it is wiped."""
    drop(session, service, field, PREVIOUS)
    if before is None or before == service.secrets.get(field):
        return
    now = runtime.clock.now()
    row = StagedSecret(service_id=service.service_id, field=field, stage=PREVIOUS, secret_id=before)
    row.settings, row.until, row.added_by, row.added_at = dict(settings) or None, now + grace, actor, now
    session.add(row)
    session.flush()
    if grace <= timedelta():
        drop(session, service, field, PREVIOUS)


def write_down(  # noqa: PLR0917 - called by this module and the one beside it
    session: Session,
    runtime: Runtime,
    service: Service,
    field: str,
    action: str,
    actor: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add the audit entry of what was done to a staged value."""
    about = {"service_name": service.service_name, "field": field}
    audit.append(
        session,
        runtime,
        actor=actor,
        action=action,
        target=service.service_id,
        detail={**about, **(detail or {})},
    )
