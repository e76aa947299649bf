"""A file as entries: what it says about each service and each route, before anybody compares it with what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.kit import Message, N_
from webapp.models.service import name_key
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.fields import ServiceFields
from webapp.registry.files.text import Stub, load

FORMAT = 1
MOST = 1000
_TOP = ("patchbay", "sealed", "services", "routes")
_SERVICE = (
    "service_id",
    "revision",
    "service_type",
    "configurations",
    "secrets",
    *ServiceFields.model_fields,
)
_ROUTE = ("name", "contract", "description", "members", "digest")
_TEXT = N_("This must be text.")


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """What a file says about one service."""

    place: int
    name: str
    service_type: str
    service_id: str | None = None
    revision: int = 0
    """The revision it was exported from; 0 when the file does not tell."""
    configurations: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Stub | None] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def at(self, pointer: str) -> str:
        """Where a member of it stands in the file."""
        return f"/services/{self.place}{pointer}"


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """What a file says about one route; its members by name or id."""

    place: int
    name: str
    contract: str
    description: str | None
    members: tuple[str, ...]
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole file."""

    services: tuple[ServiceEntry, ...]
    routes: tuple[RouteEntry, ...]
    sealed: Mapping[str, Any] | None = None


def read(text: str) -> Document:
    """Read a file. Raises Invalid with everything that is wrong with its shape."""
    found = load(text)
    if not isinstance(found, dict):
        raise _invalid("", "type", N_("A file begins with “patchbay: 1”, then lists services and routes."))
    flaws = list(_top_flaws(found))
    services, routes = found.get("services") or [], found.get("routes") or []
    if not flaws:
        flaws = [
            flaw
            for kind, items, check in (
                ("services", services, _service_flaws),
                ("routes", routes, _route_flaws),
            )
            for place, item in enumerate(items)
            for flaw in check(f"/{kind}/{place}", item)
        ]
    if flaws:
        raise Invalid(flaws)
    document = Document(
        tuple(_service(place, item) for place, item in enumerate(services)),
        tuple(_route(place, item) for place, item in enumerate(routes)),
        found.get("sealed"),
    )
    if twice := list(_repeated(document)):
        raise Invalid(twice)
    return document


def _top_flaws(found: Mapping[str, Any]) -> Iterator[Flaw]:
    yield from _unknown("", found, _TOP)
    if found.get("patchbay") != FORMAT or isinstance(found.get("patchbay"), bool):
        yield _flaw("/patchbay", "choice", N_("This must be 1, the format that is read here."))
    for name in ("services", "routes"):
        items = found.get(name)
        if items is not None and (not isinstance(items, list) or len(items) > MOST):
            yield _flaw(
                f"/{name}", "type", N_("This must be a list of at most %(count)s entries."), count=MOST
            )
    if not isinstance(found.get("sealed", {}), dict):
        yield _flaw("/sealed", "type", N_("This must be an object with named members."))


def _service_flaws(at: str, item: Any) -> Iterator[Flaw]:
    if not isinstance(item, dict):
        yield _flaw(at, "type", N_("This must be an object with named members."))
        return
    yield from _unknown(at, item, _SERVICE)
    yield from _needed_texts(at, item, "service_name", "service_type")
    yield from _objects(at, item, "configurations", "secrets")
    if "service_id" in item and not isinstance(item["service_id"], str):
        yield _flaw(f"{at}/service_id", "type", _TEXT)
    number = item.get("revision", 1)
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number < 2**31:
        yield _flaw(f"{at}/revision", "type", N_("This must be the number of a revision."))
    secrets = item.get("secrets")
    for name, value in secrets.items() if isinstance(secrets, dict) else ():
        if value is not None and not isinstance(value, Stub):
            yield plain_secret(f"{at}/secrets/{name}")
    for name in _stubs_elsewhere({**item, "secrets": None}):
        text = N_("The tags !keep, !ref and !sealed stand for secrets only, below “secrets”.")
        yield _flaw(f"{at}/{name}", "stub", text)


def _stubs_elsewhere(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Stub):
        yield path
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _stubs_elsewhere(below, f"{path}/{name}".lstrip("/"))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from _stubs_elsewhere(below, f"{path}/{place}")


def _route_flaws(at: str, item: Any) -> Iterator[Flaw]:
    if not isinstance(item, dict):
        yield _flaw(at, "type", N_("This must be an object with named members."))
        return
    yield from _unknown(at, item, _ROUTE)
    yield from _needed_texts(at, item, "name", "contract")
    for name in ("description", "digest"):
        if item.get(name) is not None and not isinstance(item[name], str):
            yield _flaw(f"{at}/{name}", "type", _TEXT)
    members = item.get("members")
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        yield _flaw(f"{at}/members", "type", N_("This must be a list of names or ids of services."))


def plain_secret(pointer: str) -> Flaw:
    """A secret stands in the file as it is."""
    text = N_("A file carries no secret as it is: write !keep, or !ref and where it is kept.")
    return _flaw(pointer, "plain_secret", text)


def _unknown(at: str, item: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Flaw]:
    for name in item:
        if name not in known:
            where = Flaw.at(name[:64], code="", message=Message("")).pointer
            yield _flaw(f"{at}{where}", "unknown", N_("This field is not known here."))


def _needed_texts(at: str, item: Mapping[str, Any], *names: str) -> Iterator[Flaw]:
    for name in names:
        if item.get(name) is None:
            yield _flaw(f"{at}/{name}", "missing", N_("This field is required."))
        elif not isinstance(item[name], str):
            yield _flaw(f"{at}/{name}", "type", _TEXT)


def _objects(at: str, item: Mapping[str, Any], *names: str) -> Iterator[Flaw]:
    for name in names:
        if not isinstance(item.get(name) or {}, dict):
            yield _flaw(f"{at}/{name}", "type", N_("This must be an object with named members."))


def _repeated(document: Document) -> Iterator[Flaw]:
    """Two entries about the same thing."""
    text = N_("This stands in the file twice.")
    seen: set[tuple[str, str]] = set()
    for service in document.services:
        for kind, value in (("name", name_key(service.name)), ("id", service.service_id)):
            if value and (kind, value) in seen:
                yield _flaw(service.at(f"/service_{kind}"), "duplicate", text)
            seen.add((kind, value or ""))
    for route in document.routes:
        if ("route", route.name) in seen:
            yield _flaw(f"/routes/{route.place}/name", "duplicate", text)
        seen.add(("route", route.name))


def _service(place: int, item: Mapping[str, Any]) -> ServiceEntry:
    return ServiceEntry(
        place,
        item["service_name"],
        item["service_type"],
        item.get("service_id"),
        item.get("revision", 0),
        item.get("configurations") or {},
        item.get("secrets") or {},
        {name: item[name] for name in ServiceFields.model_fields if name in item},
    )


def _route(place: int, item: Mapping[str, Any]) -> RouteEntry:
    members = tuple(item["members"])
    return RouteEntry(
        place, item["name"], item["contract"], item.get("description"), members, item.get("digest")
    )


def _flaw(pointer: str, code: str, text: str, **values: object) -> Flaw:
    return Flaw(pointer, code, Message.of(text, **values))


def _invalid(pointer: str, code: str, text: str) -> Invalid:
    return Invalid([_flaw(pointer, code, text)])
