"""What ends: secrets and certificates, with what depends on them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import Response, jsonify

from adapters.kit import Message, N_
from webapp.api.access import scoped
from webapp.api.area import area
from webapp.api.bodies import query
from webapp.api.credential_schemas import ExpirationPage, ExpirationQuery
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.registry import expiry
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.expiry import Dependents, Ending
from webapp.registry.reminders import standing
from webapp.registry.shape import moment

blueprint = area("expirations")


@blueprint.get("/expirations")
@scoped("services:read")
@documented(
    "List what ends", "Expirations", query=ExpirationQuery, answers={200: ExpirationPage}, problems=(422,)
)
def index() -> Response:
    """Every secret, certificate and API token whose end is known, what ends first first, with what breaks then."""
    wanted = query(ExpirationQuery)
    found = _after(
        _within(expiry.endings(db.session(), runtime().clock.now()), wanted.within_days), wanted.cursor
    )
    page = found[: wanted.limit]
    behind = expiry.dependents(db.session(), runtime(), page)
    reminded = {row.subject: row.days for row in standing(db.session(), page)}
    items = [
        _members(one, behind.get(one.service_id or "", expiry.NOTHING), reminded.get(one.subject))
        for one in page
    ]
    return jsonify(items=items, next_cursor=_cursor(page[-1]) if len(found) > len(page) else None)


def _within(found: Sequence[Ending], days: int | None) -> Sequence[Ending]:
    if days is None:
        return found
    last = runtime().clock.now() + timedelta(days=days)
    return [one for one in found if one.expires_at <= last]


def _key(one: Ending) -> str:
    return f"{one.expires_at.isoformat()} {one.subject}"


def _cursor(one: Ending) -> str:
    return base64.urlsafe_b64encode(_key(one).encode()).decode().rstrip("=")


def _after(found: Sequence[Ending], cursor: str | None) -> Sequence[Ending]:
    if cursor is None:
        return found
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error):
        place = ""
    if " " not in place:
        message = Message.of(N_("This cursor does not belong to this list."))
        raise Invalid([Flaw.at("cursor", code="invalid", message=message)])
    return [one for one in found if _key(one) > place]


def _members(one: Ending, behind: Dependents, reminded: int | None) -> dict[str, Any]:
    now = runtime().clock.now()
    return {
        "kind": one.kind,
        "service_id": one.service_id,
        "token_id": one.token_id,
        "service_name": None if one.token_id else one.service_name,
        "service_type": one.service_type or None,
        "name": one.service_name,
        "is_enabled": one.is_enabled,
        "field": one.field,
        "expires_at": moment(one.expires_at),
        "days_left": one.days_left(now),
        "state": one.state(now),
        "reminded": reminded,
        "routes": list(behind.routes),
        "integration_points": [{"name": name, "calls": calls} for name, calls in behind.points],
        "calls_24h": behind.calls,
    }
