"""Put a draft into its service: plain settings as they are, secrets sealed, each by the id of its row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.credential import StagedSecret
from webapp.models.secret import Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.drafts import Draft, is_moved, secret_specs
from webapp.registry.endings import discovered
from webapp.registry.errors import Flaw, Invalid, KeysUnavailable
from webapp.runtime import Runtime
from webapp.vault import BadReference, KeysLocked, Reference


def differs(draft: Draft, service: Service) -> bool:
    """Whether storing the draft would change anything."""
    return bool(
        draft.replaced or dict(draft.kept) != service.secrets or dict(draft.plain) != service.configurations
    )


def store(session: Session, runtime: Runtime, service: Service, draft: Draft, *, actor: str) -> list[str]:
    """Give the service the draft's settings; answer the names of those that changed. Raises KeysUnavailable.

    A new secret is a new row: earlier revisions keep pointing at the old one.
    """
    before, stored = service.configurations or {}, service.secrets or {}
    changed = [name for name in {**before, **draft.plain} if before.get(name) != draft.plain.get(name)]
    if before and is_moved(draft.entry, draft.plain, before):
        _drop_staged(session, service, stored)
    sealed = {name: seal(session, runtime, service, draft, name, actor=actor) for name in draft.replaced}
    pointers = {**draft.kept, **sealed}
    service.configurations, service.secrets = dict(draft.plain), pointers
    return [*changed, *(name for name in {**stored, **pointers} if stored.get(name) != pointers.get(name))]


def seal(
    session: Session,
    runtime: Runtime,
    service: Service,
    draft: Draft,
    name: str,
    *,
    actor: str,
    expires_at: datetime | None = None,
) -> str:
    """Seal one new secret of the draft, or note where it is; answer the id of its row.

    Unless it is told, it ends when the value says so. Raises KeysUnavailable, and Invalid for a reference that
    reaches too far.
    """
    given = draft.replaced[name]
    if isinstance(given, Reference):
        return _refer(session, runtime, service, name, given, actor=actor, expires_at=expires_at)
    try:
        secret = runtime.vault.seal(
            session,
            scope=service.scope,
            owner_type="service",
            owner_id=service.service_id,
            field=name,
            value=given,
            actor=actor,
            show_last4=secret_specs(draft.entry)[name].show_last4,
            expires_at=expires_at or discovered(given),
        )
    except KeysLocked as locked:
        message = Message.of(N_("Secrets cannot be stored now: the keys are not available."))
        raise KeysUnavailable(message) from locked
    return secret.id


def _refer(
    session: Session,
    runtime: Runtime,
    service: Service,
    name: str,
    reference: Reference,
    *,
    actor: str,
    expires_at: datetime | None,
) -> str:
    try:
        return runtime.vault.refer(
            session,
            scope=service.scope,
            owner_type="service",
            owner_id=service.service_id,
            field=name,
            reference=reference,
            actor=actor,
            expires_at=expires_at,
        ).id
    except BadReference as bad:
        flaw = Flaw.at("configurations", name, code="bad_reference", message=bad.message)
        raise Invalid([flaw]) from None


def _drop_staged(session: Session, service: Service, stored: Mapping[str, Any]) -> None:
    """Wipe the next and the previous values: they were entered for the destination the service had."""
    ours = StagedSecret.service_id == service.service_id
    ids = set(session.scalars(select(StagedSecret.secret_id).where(ours))) - set(stored.values())
    session.execute(delete(StagedSecret).where(ours))
    session.execute(delete(Secret).where(Secret.id.in_(ids)))
