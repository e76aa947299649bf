"""Write services and routes as a file: a stub in the place of each secret, or the secret under a passphrase."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.secret import Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import routes
from webapp.registry.drafts import secret_specs
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.fields import ServiceFields
from webapp.registry.files.reading import FORMAT
from webapp.registry.files.route_step import contents, digest
from webapp.registry.files.sealed import place
from webapp.registry.files.text import KEEP, Stub, dump
from webapp.registry.search import secret_rows
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable, audit
from webapp.vault.passphrase import LEAST, Passphrase

MEDIA_TYPE = "application/yaml"
_DEFAULTS = {
    name: field.get_default(call_default_factory=True) for name, field in ServiceFields.model_fields.items()
}
_FIRST = ("service_name", "service_type")
_HEAD = (
    "# Configuration of Patchbay. Secrets are not in it as they are: !keep keeps what is stored,\n"
    "# !ref reads it from where it is kept.\n"
)


def export(
    session: Session,
    runtime: Runtime,
    *,
    actor: str = "",
    service_ids: Collection[str] | None = None,
    passphrase: str | None = None,
) -> str:
    """All services and routes as a file, or the given services alone.

    With a passphrase the secrets are in it, sealed; that is written into the audit, and the caller commits.
    Raises Invalid for a short passphrase.
    """
    found = _services(session, service_ids)
    key = _key(passphrase) if passphrase is not None else None
    document: dict[str, Any] = {"patchbay": FORMAT}
    if key:
        document["sealed"] = key.header
        detail = {"services": len(found)}
        audit.append(session, runtime, actor=actor, action="config.export", target="secrets", detail=detail)
    document["services"] = [_service(session, runtime, service, key) for service in found]
    if service_ids is None:
        document["routes"] = _routes(session)
    return _HEAD + dump(document)


def _services(session: Session, service_ids: Collection[str] | None) -> Sequence[Service]:
    query = select(Service).where(Service.deleted_at.is_(None)).order_by(Service.name_key)
    if service_ids is not None:
        query = query.where(Service.service_id.in_(service_ids))
    return session.scalars(query).all()


def _key(passphrase: str) -> Passphrase:
    try:
        return Passphrase.new(passphrase)
    except ValueError:
        message = Message.of(N_("A passphrase has at least %(least)s characters."), least=LEAST)
        raise Invalid([Flaw.at("passphrase", code="too_short", message=message)]) from None


def _service(session: Session, runtime: Runtime, service: Service, key: Passphrase | None) -> dict[str, Any]:
    """One service: its identity, what differs from the defaults, its settings, its secrets as stubs."""
    written = {name: getattr(service, name) for name in _FIRST}
    written |= {"service_id": service.service_id, "revision": service.revision}
    written |= {"is_enabled": service.is_enabled} | _beyond_defaults(service)
    known = runtime.catalog.get(service.service_type)
    names = secret_specs(known) if known else {}
    plain = {name: value for name, value in service.configurations.items() if name not in names}
    written["configurations"] = plain
    if service.secrets:
        rows = secret_rows(session, [service.secrets])
        written["secrets"] = {
            name: _stub(session, runtime, service, name, secret=rows.get(secret_id), key=key)
            for name, secret_id in service.secrets.items()
        }
    return written


def _beyond_defaults(service: Service) -> dict[str, Any]:
    found = {}
    for name, default in _DEFAULTS.items():
        value = getattr(service, name)
        plain = default.model_dump(mode="json") if hasattr(default, "model_dump") else default
        if name not in {*_FIRST, "is_enabled"} and value is not None and value != plain:
            found[name] = value
    return found


def _stub(
    session: Session,
    runtime: Runtime,
    service: Service,
    name: str,
    *,
    secret: Secret | None,
    key: Passphrase | None,
) -> Stub:
    """What stands for one secret; one that cannot be read is kept."""
    if secret is not None and secret.kind == "ref":
        return Stub("ref", secret.ref_uri or "")
    known = runtime.catalog.get(service.service_type)
    if key is None or secret is None or known is None or known.adapter is None:
        return KEEP
    try:
        value = runtime.vault.open(session, secret.id)
    except SecretUnreadable:
        return KEEP
    return Stub("sealed", key.seal(value, *place(service.service_name, known, name, service.configurations)))


def _routes(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "name": route.name,
            **{name: value for name, value in contents(route).items() if value is not None},
            "members": routes.member_names(session, route),
            "digest": digest(route),
        }
        for route in routes.all_routes(session)
    ]
