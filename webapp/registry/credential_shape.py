"""The secrets of a service with what waits and what stands by, as JSON; values are never in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from webapp.models.credential import NEXT, PREVIOUS, StagedSecret
from webapp.models.secret import Secret
from webapp.models.service import Service
from webapp.registry.drafts import secret_specs
from webapp.registry.search import secret_rows
from webapp.registry.shape import moment, unreadable_fields
from webapp.registry.standby import staged
from webapp.runtime import Runtime


def credentials_of(session: Session, runtime: Runtime, service: Service) -> list[dict[str, Any]]:
    """One member for each secret the adapter knows, in its order, then those it knows no more."""
    entry = runtime.catalog.get(service.service_type)
    specs = secret_specs(entry) if entry else {}
    beside = staged(session, service.service_id)
    held = secret_rows(session, [service.secrets, *({row.field: row.secret_id} for row in beside.values())])
    unreadable = unreadable_fields(session, runtime, service.secrets)
    names = dict.fromkeys([*specs, *service.secrets])
    return [
        {
            "name": name,
            "required": name in specs and specs[name].required,
            "current": _current(held.get(service.secrets.get(name, "")), name in unreadable),
            "next": _waiting(beside.get((name, NEXT)), held),
            "previous": _standing_by(beside.get((name, PREVIOUS))),
        }
        for name in names
    ]


def _current(secret: Secret | None, needs_reentry: bool) -> dict[str, Any] | None:
    if secret is None:
        return None
    return {
        "set_at": moment(secret.created_at),
        "set_by": secret.created_by,
        "expires_at": moment(secret.expires_at),
        "needs_reentry": needs_reentry,
    }


def _waiting(row: StagedSecret | None, held: dict[str, Secret]) -> dict[str, Any] | None:
    if row is None:
        return None
    secret = held.get(row.secret_id)
    tested = {"at": moment(row.tested_at), "verdict": row.tested_verdict} if row.tested_at else None
    return {
        "added_at": moment(row.added_at),
        "added_by": row.added_by,
        "expires_at": moment(secret.expires_at) if secret else None,
        "configurations": row.settings or {},
        "tested": tested,
    }


def _standing_by(row: StagedSecret | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {"until": moment(row.until), "used_at": moment(row.used_at)}
