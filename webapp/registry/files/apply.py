"""Apply a file: everything in it or nothing, after a dry run that does the same and keeps nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.db import begin_write
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import history
from webapp.registry.errors import Invalid, RegistryError
from webapp.registry.files.plan import Plan, Step, digest_of
from webapp.registry.files.reading import read
from webapp.registry.files.route_step import apply_route
from webapp.registry.files.sealed import Sealed
from webapp.registry.files.service_step import Work, apply_service
from webapp.registry.switches import LOCK
from webapp.runtime import Runtime
from webapp.vault import audit

ACTION = "config.apply"


def dry_run(session: Session, runtime: Runtime, text: str, **how: Any) -> Plan:
    """What `apply` would do now. It does it, and takes all of it back.

    Raises Invalid for what is no file, and KeysUnavailable.
    """
    try:
        return _carried_out(session, runtime, text, **how)
    finally:
        session.rollback()


def apply(
    session: Session, runtime: Runtime, text: str, *, note: str, plan: str | None = None, **how: Any
) -> Plan:
    """Store what a file says; `plan` is the digest of the dry run that somebody saw.

    Raises Invalid, Conflict (FILE_CONFLICT), KeysUnavailable, and RegistryError (STALE_REVISION) when it would now do something
    else than was seen; nothing is stored then. The caller commits.
    """
    if flaws := history.note_flaws(note):
        raise Invalid(flaws)
    done = _carried_out(session, runtime, text, note=note, **how)
    if refusal := done.refusal():
        session.rollback()
        raise refusal
    if plan is not None and plan != done.digest:
        session.rollback()
        message = Message.of(N_("What is stored has changed since the dry run. Look at it again."))
        raise RegistryError("STALE_REVISION", message)
    if not done.empty:
        detail = {"created": done.count("create"), "updated": done.count("update"), "note": note}
        audit.append(
            session, runtime, actor=how["actor"], action=ACTION, target=done.digest[:12], detail=detail
        )
    return done


def _carried_out(
    session: Session,
    runtime: Runtime,
    text: str,
    *,
    actor: str,
    note: str | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
    overwrite: Collection[str] = (),
    passphrase: str | None = None,
) -> Plan:
    document = read(text)
    begin_write(session, LOCK)
    begin_write(session, "routes")
    sealed = Sealed(document.sealed, passphrase)
    work = Work(session, runtime, actor, note, sealed, given or {}, frozenset(overwrite))
    before = session.scalar(select(func.count()).where(Service.deleted_at.is_(None))) or 0
    steps: list[Step] = [apply_service(work, entry) for entry in document.services]
    found = sum(
        step.kind == "service" and step.action != "create" and bool(step.service_id) for step in steps
    )
    # A route may name a service that could not be made; that says nothing beyond what is said already.
    if not any(step.action == "refused" for step in steps):
        steps += [apply_route(work, entry) for entry in document.routes]
    return Plan(steps, before - found, digest_of(text, steps))
