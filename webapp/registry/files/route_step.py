"""One route of a file: its members found by name or id, then the route made or changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from webapp.models.audit import AuditEntry
from webapp.models.route import Route
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.models.service import name_key
from webapp.registry import routes
from webapp.registry.compare import differences
from webapp.registry.errors import Flaw, RegistryError
from webapp.registry.files.plan import Others, Step
from webapp.registry.files.reading import RouteEntry
from webapp.registry.files.service_step import ORIGIN, Work

_DIGEST_DIGITS = 16


def apply_route(work: Work, entry: RouteEntry) -> Step:
    """Bring one route to what the file says."""
    stored = work.session.get(Route, entry.name)
    wanted = _wanted(work, entry)
    before = contents(stored) if stored else {}
    changes = differences(_named(work, before), _named(work, wanted))
    step = Step(
        "route", entry.place, entry.name, "same", changes=changes, stored=digest(stored) if stored else ""
    )
    if not changes:
        return step
    others = _others(work, entry, stored) if stored else None
    try:
        _store(work, entry, stored, wanted)
    except RegistryError as refusal:
        found = refusal.errors or (Flaw("", refusal.code, refusal.message),)
        flaws = [Flaw(f"/routes/{entry.place}{flaw.pointer}", flaw.code, flaw.message) for flaw in found]
        return replace(step, action="refused", flaws=flaws)
    if others and entry.name not in work.overwrite:
        return replace(step, action="conflict", others=others)
    return replace(step, action="update" if stored else "create", others=others)


def _store(work: Work, entry: RouteEntry, stored: Route | None, wanted: Mapping[str, Any]) -> None:
    how = {"actor": work.actor, "origin": ORIGIN}
    if stored is None:
        routes.create(work.session, work.runtime, {"name": entry.name, **wanted}, **how)
    else:
        routes.update(work.session, work.runtime, stored, wanted, **how)


def contents(route: Route) -> dict[str, Any]:
    """What a route holds, as a request would give it."""
    return {"contract": route.contract, "description": route.description, "members": list(route.members)}


def digest(route: Route) -> str:
    """A mark of what a route holds."""
    text = json.dumps(contents(route), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def _wanted(work: Work, entry: RouteEntry) -> dict[str, Any]:
    alive = select(Service.service_id, Service.name_key).where(Service.deleted_at.is_(None))
    ids = {row.name_key: row.service_id for row in work.session.execute(alive)}
    members = [ids.get(name_key(member), member) for member in entry.members]
    return {"contract": entry.contract, "description": entry.description, "members": members}


def _named(work: Work, held: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the names of its services."""
    if not held:
        return {}
    query = select(Service.service_id, Service.service_name).where(Service.service_id.in_(held["members"]))
    names = {row.service_id: row.service_name for row in work.session.execute(query)}
    return {**held, "members": [names.get(member, member) for member in held["members"]]}


def _others(work: Work, entry: RouteEntry, stored: Route) -> Others | None:
    """Who changed the route since the file was made, unless it was a file."""
    if entry.digest == digest(stored):
        return None
    query = select(AuditEntry).where(
        AuditEntry.action.in_(("route.create", "route.update", "route.delete")),
        AuditEntry.target == entry.name,
    )
    latest = work.session.scalar(query.order_by(AuditEntry.seq.desc()).limit(1))
    if latest is not None and (latest.detail or {}).get("origin") == ORIGIN:
        return None
    return Others(0, latest.actor if latest else "", latest.at if latest else stored.updated_at)
