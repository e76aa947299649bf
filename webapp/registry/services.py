"""Create and change services. Every save checks everything first, then leaves a revision and an audit entry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.db import begin_write
from webapp.ids import uuid7
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.models.service import name_key
from webapp.registry import history
from webapp.registry.assemble import usable
from webapp.registry.credentials import differs, store
from webapp.registry.drafts import Draft, Mode
from webapp.registry.errors import Conflict, Flaw, Invalid, Stale
from webapp.registry.fields import ServiceFields, parse_fields
from webapp.registry.reachable import address_flaws, endpoint_flaws
from webapp.registry.search import ServiceFilter, find, search
from webapp.registry.switches import (
    LOCK,
    advance,
    delete,
    disable,
    enable,
    require_complete,
    restore_deleted,
)
from webapp.runtime import Runtime

__all__ = [
    "ServiceFilter",
    "create",
    "delete",
    "disable",
    "duplicate",
    "enable",
    "find",
    "restore_deleted",
    "search",
    "update",
]


def create(
    session: Session,
    runtime: Runtime,
    *,
    name: str,
    service_type: str,
    configurations: Mapping[str, Any],
    actor: str,
    origin: str,
    mode: Mode = "put",
    sandbox: bool = False,
    note: str | None = None,
    **fields: Any,
) -> Service:
    """Add a service, disabled unless `is_enabled=True` is given; `fields` are those of ServiceFields.

    Raises AdapterMissing, Invalid, Conflict (NAME_TAKEN) or KeysUnavailable. The caller commits.
    """
    _require_known_type(runtime, service_type)
    entry = usable(runtime, service_type)
    values, flaws = parse_fields({"service_name": name, **fields}, lax=mode == "form")
    draft = Draft.for_new(entry, configurations, mode=mode)
    _refuse([*flaws, *history.note_flaws(note), *draft.errors, *_blocked(runtime, draft, values)])
    _require_free_name(session, values["service_name"])
    now = runtime.clock.now()
    service = Service(
        service_id=uuid7(),
        service_type=entry.service_type,
        contract=entry.contract,
        revision=1,
        sandbox=sandbox,
        created_at=now,
        **values,
    )
    store(session, runtime, service, draft, actor=actor)
    session.add(service)
    _leave_trace(session, runtime, service, actor=actor, origin=origin, action="service.create", note=note)
    return service


def update(
    session: Session,
    runtime: Runtime,
    service: Service,
    changes: Mapping[str, Any],
    *,
    actor: str,
    origin: str,
    expected_revision: int | None = None,
    note: str | None = None,
    mode: Mode = "patch",
    clear: Collection[str] = (),
    draft: Draft | None = None,
) -> Service:
    """Change a service; a change that changes nothing saves nothing.

    `put` expects all of it, `patch` merges (RFC 7396), `form` merges what a form sent; `draft` stands in for the
    settings in `changes`. Raises Stale when `expected_revision` is not the stored one, else as `create`. The
    caller commits.
    """
    begin_write(session, LOCK)
    session.refresh(service)
    if expected_revision is not None and expected_revision != service.revision:
        raise Stale(service.revision)
    draft = draft or _draft(runtime, service, changes, mode, clear)
    values, flaws = parse_fields(_merged(service, changes, mode), lax=mode == "form")
    blocked = _blocked(runtime, draft, values, service)
    _refuse([*flaws, *history.note_flaws(note), *(draft.errors if draft else ()), *blocked])
    _require_free_name(session, values["service_name"], but=service)
    if values["is_enabled"] and not service.is_enabled:
        require_complete(session, runtime, service, draft)
    changed = _apply(session, runtime, service, values, draft, actor=actor)
    if changed:
        what = {"action": "service.update", "note": note, "detail": {"changed": sorted(changed)}}
        _leave_trace(session, runtime, service, actor=actor, origin=origin, **what)
    return service


def duplicate(
    session: Session, runtime: Runtime, service: Service, *, name: str, actor: str, origin: str
) -> Service:
    """A disabled copy under another name, without the secrets: those are typed again. Raises as `create`.

    Because the secrets are missing, a copy may be incomplete; it cannot be enabled until they are given.
    """
    fields = {
        key: value for key, value in history.snapshot(service).items() if key in ServiceFields.model_fields
    }
    values, flaws = parse_fields({**fields, "service_name": name, "is_enabled": False})
    _refuse(flaws)
    _require_free_name(session, values["service_name"])
    copy = Service(
        service_id=uuid7(),
        service_type=service.service_type,
        contract=service.contract,
        configurations=dict(service.configurations),
        secrets={},
        revision=1,
        sandbox=service.sandbox,
        created_at=runtime.clock.now(),
        **values,
    )
    session.add(copy)
    detail = {"copy_of": service.service_id}
    _leave_trace(
        session, runtime, copy, actor=actor, origin=origin, action="service.duplicate", detail=detail
    )
    return copy


def _refuse(flaws: list[Flaw]) -> None:
    if flaws:
        raise Invalid(flaws)


def _blocked(
    runtime: Runtime, draft: Draft | None, values: Mapping[str, Any], service: Service | None = None
) -> Iterator[Flaw]:
    """The addresses among what is new that nothing may connect to."""
    entry = draft.entry if draft else runtime.catalog.get(service.service_type) if service else None
    if entry is None or entry.adapter is None:
        return
    stored = service.configurations if service else {}
    if draft:
        yield from address_flaws(runtime.policy, entry.adapter, draft.plain, stored)
    before = service.health_check_endpoint if service else None
    yield from endpoint_flaws(runtime.policy, entry.adapter, values.get("health_check_endpoint"), before)


def _require_known_type(runtime: Runtime, service_type: str) -> None:
    if runtime.catalog.get(service_type) is None:
        text = Message.of(N_("There is no such service type."))
        raise Invalid([Flaw.at("service_type", code="choice", message=text)])


def _draft(
    runtime: Runtime, service: Service, changes: Mapping[str, Any], mode: Mode, clear: Collection[str]
) -> Draft | None:
    """The settings asked for, or None when the change is not about them."""
    if mode != "put" and "configurations" not in changes and not clear:
        return None
    entry = usable(runtime, service.service_type)
    return Draft.for_change(service, entry, changes.get("configurations") or {}, mode=mode, clear=clear)


def _merged(service: Service, changes: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    """The members a service will have: of a PUT those given, of the others those given over those stored."""
    given = {name: value for name, value in changes.items() if name != "configurations"}
    if mode == "put":
        return {"is_enabled": service.is_enabled, **given}
    stored = {name: getattr(service, name) for name in ServiceFields.model_fields}
    return merge_patch({name: value for name, value in stored.items() if value is not None}, given)


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7396): null removes a member, objects merge, the rest replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _require_free_name(session: Session, name: str, but: Service | None = None) -> None:
    """Raise Conflict (NAME_TAKEN); until the commit nobody else can take the name."""
    begin_write(session, LOCK)
    same = select(Service.service_id).where(Service.name_key == name_key(name), Service.deleted_at.is_(None))
    if but is not None:
        same = same.where(Service.service_id != but.service_id)
    with session.no_autoflush:
        if session.scalar(same.limit(1)) is not None:
            raise name_taken(name)


def name_taken(name: str) -> Conflict:
    """The refusal of a second service of the same name."""
    message = Message.of(N_("There is already a service called %(name)s."), name=name)
    return Conflict("NAME_TAKEN", message, [Flaw.at("service_name", code="taken", message=message)])


def _apply(
    session: Session,
    runtime: Runtime,
    service: Service,
    values: Mapping[str, Any],
    draft: Draft | None,
    *,
    actor: str,
) -> list[str]:
    """Bring the service to its next revision; answer the names of what changed, none when nothing did."""
    changed = [name for name, value in values.items() if getattr(service, name) != value]
    new_settings = draft if draft and differs(draft, service) else None
    if not changed and new_settings is None:
        return []
    for name in changed:
        setattr(service, name, values[name])
    if new_settings:
        changed += store(session, runtime, service, new_settings, actor=actor)
    advance(service, still_tested=new_settings is None)
    return changed


def _leave_trace(session: Session, runtime: Runtime, service: Service, **what: Any) -> None:
    service.updated_at = runtime.clock.now()
    session.flush()
    history.record(session, runtime, service, **what)
