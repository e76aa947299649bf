"""A service as the API answers it, with the state of its secrets and its health."""

from __future__ import annotations

from typing import Any

from webapp.extensions import db, runtime
from webapp.models.health import ServiceHealth
from webapp.models.service import Service
from webapp.registry.search import Found, secrets_of
from webapp.registry.shape import to_dict, unreadable_fields


def members(service: Service) -> dict[str, Any]:
    """One service."""
    health = db.session.get(ServiceHealth, service.service_id)
    unreadable = unreadable_fields(db.session(), runtime(), service.secrets)
    return to_dict(
        service, secrets_of(db.session(), service), health, runtime=runtime(), unreadable=unreadable
    )


def listed(found: Found) -> dict[str, Any]:
    """One service of a list."""
    return to_dict(found.service, found.secrets, found.health, runtime=runtime(), unreadable=found.unreadable)
