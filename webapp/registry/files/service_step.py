"""One service of a file: found or made, changed as the file says, and compared with what was stored before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.kit import Entry, Message, N_
from webapp.models.revision import ServiceRevision
from webapp.models.secret import Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.models.service import name_key
from webapp.registry import services
from webapp.registry.assemble import usable
from webapp.registry.compare import FieldChange, compare, differences, plain_of
from webapp.registry.drafts import Draft, moved_to, secret_specs
from webapp.registry.errors import Flaw, Invalid, KeysUnavailable, RegistryError
from webapp.registry.fields import parse_fields
from webapp.registry.files.plan import Others, Step
from webapp.registry.files.reading import ServiceEntry, plain_secret
from webapp.registry.files.sealed import Sealed
from webapp.registry.files.text import Stub
from webapp.registry.history import as_revision
from webapp.runtime import Runtime

ORIGIN = "import"
_NEEDED = frozenset({"reenter_secret", "missing"})


@dataclass(frozen=True, slots=True)
class Work:
    """What all steps of one file share."""

    session: Session
    runtime: Runtime
    actor: str
    note: str | None
    sealed: Sealed
    given: Mapping[str, Mapping[str, Any]]
    """Secrets that were entered beside the file, by the name of their service."""
    overwrite: frozenset[str]
    """Names of what is to be taken from the file although it was changed elsewhere."""


def apply_service(work: Work, entry: ServiceEntry) -> Step:
    """Bring one service to what the file says. What stands in the way is in the step, and then nothing is kept.

    Raises KeysUnavailable when nothing can be sealed now.
    """
    stored = find(work.session, entry)
    before = as_revision(stored) if stored else None
    try:
        known = usable(work.runtime, entry.service_type)
        service = _update(work, entry, known, stored) if stored else _create(work, entry, known)
    except KeysUnavailable:
        raise
    except RegistryError as refusal:
        return _refused(work, entry, stored, before, refusal)
    base = before or ServiceRevision(number=0, snapshot={}, secrets={})
    changes = _differences(work.session, base, as_revision(service), known)
    step = Step(
        "service", entry.place, entry.name, "create",
        service_id=service.service_id, service_type=service.service_type, changes=changes,
        stored=str(before.number) if before else "",
    )  # fmt: skip
    if before is None or not changes:
        return step if before is None else replace(step, action="same")
    others = _others(work, entry, known, before, service.service_id, changes=changes)
    clash = others and entry.name not in work.overwrite
    return replace(step, action="conflict" if clash else "update", others=others)


def find(session: Session, entry: ServiceEntry) -> Service | None:
    """The stored service an entry means: by its id if that is here, else by its name."""
    alive = select(Service).where(Service.deleted_at.is_(None))
    by_id = session.scalar(alive.where(Service.service_id == (entry.service_id or "")))
    return by_id or session.scalar(alive.where(Service.name_key == name_key(entry.name)))


def _create(work: Work, entry: ServiceEntry, known: Entry) -> Service:
    values = {**entry.configurations, **_secrets(work, entry, known, None)}
    fields = {name: value for name, value in entry.fields.items() if name != "service_name"}
    return services.create(
        work.session, work.runtime, name=entry.name, service_type=entry.service_type, configurations=values,
        actor=work.actor, origin=ORIGIN, note=work.note, **fields,
    )  # fmt: skip


def _update(work: Work, entry: ServiceEntry, known: Entry, stored: Service) -> Service:
    if stored.service_type != entry.service_type:
        text = N_("The type of a service does not change: create another service.")
        raise Invalid([Flaw.at("service_type", code="read_only", message=Message.of(text))])
    values = {**entry.configurations, **_secrets(work, entry, known, stored)}
    changes = {**entry.fields, "configurations": values}
    return services.update(
        work.session, work.runtime, stored, changes,
        actor=work.actor, origin=ORIGIN, note=work.note, mode="put",
    )  # fmt: skip


def _secrets(work: Work, entry: ServiceEntry, known: Entry, stored: Service | None) -> dict[str, Any]:
    """The secrets as a request would carry them: those that are kept are left out. Raises Invalid."""
    names = secret_specs(known)
    flaws = [plain_secret(f"/configurations/{name}") for name in entry.configurations if name in names]
    for name in entry.secrets.keys() - names.keys():
        text = Message.of(N_("This field is not known here."))
        flaws.append(Flaw.at("configurations", name, code="unknown", message=text))
    if flaws:
        raise Invalid(flaws)
    given = {name: value for name, value in work.given.get(entry.name, {}).items() if name in names}
    found = {
        name: value
        for name, stub in entry.secrets.items()
        if name not in given
        for value in _of_stub(work, entry, known, stored, name=name, stub=stub)
    }
    return found | given


def _of_stub(
    work: Work, entry: ServiceEntry, known: Entry, stored: Service | None, *, name: str, stub: Stub | None
) -> Iterator[Any]:
    """What a stub asks for: nothing, when it is what is stored."""
    held = work.session.get(Secret, stored.secrets.get(name, "")) if stored else None
    if stub is None:
        if held is not None:
            yield None
    elif stub.kind == "ref":
        if held is None or held.ref_uri != stub.value:
            yield {"$ref": stub.value}
    elif stub.kind == "sealed":
        value = work.sealed.open(entry, known, name, stub.value)
        moved = stored is not None and moved_to(known, entry.configurations, stored.configurations)
        if held is None or moved or not work.runtime.vault.is_same(held, value):
            yield value


def _refused(
    work: Work,
    entry: ServiceEntry,
    stored: Service | None,
    before: ServiceRevision | None,
    refusal: RegistryError,
) -> Step:
    known = work.runtime.catalog.get(entry.service_type)
    names = secret_specs(known) if known else {}
    found = refusal.errors or (Flaw("", refusal.code, refusal.message),)
    of_secrets = [
        flaw for flaw in found if flaw.pointer.startswith("/configurations/") and flaw.field in names
    ]
    flaws = tuple(
        Flaw(
            entry.at(
                flaw.pointer.replace("/configurations", "/secrets") if flaw in of_secrets else flaw.pointer
            ),
            flaw.code,
            flaw.message,
        )
        for flaw in found
    )
    needs = [flaw.field for flaw in of_secrets if flaw.code in _NEEDED]
    given = [name for name in work.given.get(entry.name, {}) if name in names and name not in needs]
    return Step(
        "service", entry.place, entry.name, "refused",
        service_id=stored.service_id if stored else None, service_type=entry.service_type,
        needs=sorted([*needs, *given]), flaws=flaws, stored=str(before.number) if before else "",
        changes=_plain_changes(work, entry, stored, before) if stored and before else (),
    )  # fmt: skip


def _plain_changes(
    work: Work, entry: ServiceEntry, stored: Service, before: ServiceRevision
) -> list[FieldChange]:
    """What the file changes beside secrets, for who has to see it before entering them."""
    known = work.runtime.catalog.get(entry.service_type)
    fields, flaws = parse_fields({"is_enabled": before.snapshot["is_enabled"], **entry.fields})
    if known is None or known.adapter is None or flaws or stored.service_type != entry.service_type:
        return []
    names = secret_specs(known)
    plain = {name: value for name, value in entry.configurations.items() if name not in names}
    with work.session.no_autoflush:
        draft = Draft.for_change(stored, known, plain, mode="put")
    wanted = {**before.snapshot, **fields, "configurations": dict(draft.plain)}
    return differences(plain_of(before.snapshot, names), wanted)


def _differences(
    session: Session, old: ServiceRevision, new: ServiceRevision, known: Entry
) -> list[FieldChange]:
    found = compare(session, old, new, secret_specs(known))
    return [change for change in found if change.change != "unchanged"]


def _others(
    work: Work,
    entry: ServiceEntry,
    known: Entry,
    before: ServiceRevision,
    service_id: str,
    *,
    changes: list[FieldChange],
) -> Others | None:
    """What somebody changed since the file was made, where the file wants it otherwise."""
    latest = work.session.get_one(ServiceRevision, (service_id, before.number))
    base = _base(work.session, entry, service_id, before.number)
    if base is None:
        return Others(latest.number, latest.actor, latest.created_at)
    if base.number == before.number:
        return None
    theirs = _differences(work.session, base, before, known)
    mine = [change.path for change in changes]
    clashes = [one for one in theirs if any(_overlap(one.path, path) for path in mine)]
    return Others(latest.number, latest.actor, latest.created_at, clashes) if clashes else None


def _base(session: Session, entry: ServiceEntry, service_id: str, stored: int) -> ServiceRevision | None:
    """The revision the file starts from: the one it was exported from, or the last one that a file made."""
    ours = ServiceRevision.service_id == service_id
    by_file = select(func.max(ServiceRevision.number)).where(
        ours, ServiceRevision.origin == ORIGIN, ServiceRevision.number <= stored
    )
    numbers = [session.scalar(by_file) or 0]
    if entry.service_id == service_id and entry.revision <= stored:
        numbers.append(entry.revision)
    return session.get(ServiceRevision, (service_id, max(numbers)))


def _overlap(one: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    """Whether two paths meet: one of them is, or lies below, the other. Items of a list count as the list."""
    names = [tuple(step for step in path if isinstance(step, str)) for path in (one, other)]
    shorter = min(len(path) for path in names)
    return names[0][:shorter] == names[1][:shorter]
