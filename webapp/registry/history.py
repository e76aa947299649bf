"""Revisions: every save leaves a row that says what was stored then, and with which secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.revision import ServiceRevision
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.errors import Flaw, NotFound
from webapp.runtime import Runtime
from webapp.vault import audit

NOTE_MAX = 500
SNAPSHOT = (
    "service_name",
    "service_type",
    "description",
    "configurations",
    "is_enabled",
    "default_timeout_ms",
    "durability",
    "keep_inputs",
    "retry_policy",
    "rate_limit",
    "quotas",
    "health_check_endpoint",
    "health_interval_s",
    "health_policy",
)


def snapshot(service: Service) -> dict[str, Any]:
    """What a revision remembers of a service; never a secret."""
    return {name: getattr(service, name) for name in SNAPSHOT}


def as_revision(service: Service) -> ServiceRevision:
    """What is stored now in the form of a revision, for comparing; not to be saved."""
    return ServiceRevision(number=service.revision, snapshot=snapshot(service), secrets=dict(service.secrets))


def note_flaws(note: object) -> list[Flaw]:
    """What is wrong with the reason somebody gave for a save."""
    if note is None:
        return []
    if not isinstance(note, str):
        return [Flaw.at("note", code="type", message=Message.of(N_("This must be text.")))]
    if len(note) > NOTE_MAX:
        text = Message.of(N_("The reason may have at most %(count)s characters."), count=NOTE_MAX)
        return [Flaw.at("note", code="too_long", message=text)]
    if any(not character.isprintable() and character not in "\r\n\t" for character in note):
        return [
            Flaw.at(
                "note", code="invalid", message=Message.of(N_("Control characters are not allowed here."))
            )
        ]
    return []


def record(
    session: Session,
    runtime: Runtime,
    service: Service,
    *,
    actor: str,
    origin: str,
    action: str,
    note: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> ServiceRevision:
    """Add the revision the service has just reached, and the audit entry that goes with it."""
    revision = ServiceRevision(
        service_id=service.service_id,
        number=service.revision,
        created_at=runtime.clock.now(),
        actor=actor,
        origin=origin,
        note=(note or "").strip() or None,
        snapshot=snapshot(service),
        secrets=dict(service.secrets),
    )
    if service.tested_revision == service.revision:
        revision.tested_at, revision.tested_verdict = service.tested_at, service.tested_verdict
    session.add(revision)
    session.flush()
    about = {"service_name": service.service_name, "revision": service.revision, "origin": origin}
    audit.append(
        session,
        runtime,
        actor=actor,
        action=action,
        target=service.service_id,
        detail={**about, **(detail or {})},
    )
    return revision


def revisions(
    session: Session, service_id: str, *, limit: int, before: int | None = None
) -> Sequence[ServiceRevision]:
    """The revisions of a service, newest first, at most `limit`, with numbers below `before`."""
    query = select(ServiceRevision).where(ServiceRevision.service_id == service_id)
    if before is not None:
        query = query.where(ServiceRevision.number < before)
    return session.scalars(query.order_by(ServiceRevision.number.desc()).limit(limit)).all()


def revision(session: Session, service_id: str, number: int) -> ServiceRevision:
    """One revision; raises NotFound."""
    found = session.get(ServiceRevision, (service_id, number))
    if found is None:
        raise NotFound(Message.of(N_("There is no revision %(number)s of this service."), number=number))
    return found
