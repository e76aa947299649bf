"""Go back to an earlier revision. That is a save like any other: it makes a new revision and is checked as one.

Secrets are bound to their destination: where going back changes it, they are typed again. Where it does not, a
secret comes back if its row is still held; one whose row was wiped is replaced by the value in use now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.db import begin_write
from webapp.models.revision import ServiceRevision
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import services
from webapp.registry.assemble import usable
from webapp.registry.compare import FieldChange, compare
from webapp.registry.drafts import Draft, is_moved, secret_specs
from webapp.registry.errors import Flaw, Invalid, Stale
from webapp.registry.fields import ServiceFields
from webapp.registry.history import as_revision, revision
from webapp.registry.search import secret_rows
from webapp.registry.switches import LOCK
from webapp.runtime import Runtime

Fate = Literal["stays", "returns", "kept", "reenter", "cleared"]
ORIGIN = "restore"
# Switching a service on or off is a decision of its own.
FIELDS = tuple(name for name in ServiceFields.model_fields if name != "is_enabled")


@dataclass(frozen=True, slots=True)
class Preview:
    """What going back would change, and what becomes of each secret.

    `stays`: it is the one in use. `returns`: the old value is still held. `kept`: the old one was wiped, the
    one in use stays. `reenter`: it must be typed. `cleared`: it was not set then.
    """

    revision: ServiceRevision
    changes: list[FieldChange]
    secrets: dict[str, Fate]

    @property
    def empty(self) -> bool:
        """Whether going back changes nothing."""
        plain = [change for change in self.changes if not change.secret]
        return not plain and set(self.secrets.values()) <= {"stays", "kept"}


def preview(session: Session, runtime: Runtime, service: Service, number: int) -> Preview:
    """Compare what is stored with revision `number`. Raises NotFound and AdapterMissing."""
    wanted = revision(session, service.service_id, number)
    entry = usable(runtime, service.service_type)
    names = secret_specs(entry)
    moved = is_moved(entry, _settings(wanted), service.configurations)
    held = secret_rows(session, [wanted.secrets, service.secrets])
    fates = {
        name: _fate(wanted.secrets.get(name), service.secrets.get(name), held, moved)
        for name in {**wanted.secrets, **service.secrets}
        if name in names
    }
    changes = compare(session, as_revision(service), _without_switch(wanted, service), names)
    return Preview(wanted, changes, fates)


def restore(
    session: Session,
    runtime: Runtime,
    service: Service,
    number: int,
    *,
    actor: str,
    values: Mapping[str, Any] | None = None,
    clear: Collection[str] = (),
    note: str | None = None,
    expected_revision: int | None = None,
) -> Service:
    """Store the settings of revision `number` again; `values` are secrets typed again, by name.

    Raises NotFound, Stale, AdapterMissing, Invalid (`reenter_secret` names each secret that is needed) and
    Conflict (NAME_TAKEN). The caller commits.
    """
    begin_write(session, LOCK)
    session.refresh(service)
    if expected_revision is not None and expected_revision != service.revision:
        raise Stale(service.revision)
    seen = preview(session, runtime, service, number)
    entry = usable(runtime, service.service_type)
    given = _only_secrets(dict(values or {}), secret_specs(entry))
    lost = {name for name, fate in seen.secrets.items() if fate == "reenter"} - given.keys() - set(clear)
    draft = Draft.for_restore(
        service, entry, _settings(seen.revision), _pointers(seen, service), given, clear=clear
    )
    _refuse(draft, lost)
    return services.update(
        session,
        runtime,
        service,
        _fields(seen.revision),
        mode="put",
        draft=draft,
        actor=actor,
        origin=ORIGIN,
        note=note or f"← {number}",
    )


def _refuse(draft: Draft, lost: Collection[str]) -> None:
    """Raise Invalid for what is wrong with the draft and for every secret that is held no more."""
    known = {flaw.field for flaw in draft.errors}
    if errors := [*draft.errors, *(_lost(name) for name in sorted(lost) if name not in known)]:
        raise Invalid(errors)


def _fields(wanted: ServiceRevision) -> dict[str, Any]:
    found = {name: wanted.snapshot.get(name) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def _settings(wanted: ServiceRevision) -> dict[str, Any]:
    return dict(wanted.snapshot.get("configurations") or {})


def _without_switch(wanted: ServiceRevision, service: Service) -> ServiceRevision:
    """The revision as it will be: on or off as the service is now."""
    switched = {**wanted.snapshot, "is_enabled": service.is_enabled}
    return ServiceRevision(number=wanted.number, snapshot=switched, secrets=wanted.secrets)


def _fate(then: str | None, now: str | None, held: Collection[str], moved: bool) -> Fate:
    if then is None:
        return "cleared"
    if moved:
        return "reenter"
    if then == now and now in held:
        return "stays"
    if then in held:
        return "returns"
    return "kept" if now in held else "reenter"


def _pointers(seen: Preview, service: Service) -> dict[str, str]:
    """The rows that the secrets will be; those to be typed again keep theirs until the draft refuses them."""
    then, now = seen.revision.secrets, service.secrets
    chosen = {
        name: now.get(name) if fate == "kept" else then.get(name) for name, fate in seen.secrets.items()
    }
    return {name: secret_id for name, secret_id in chosen.items() if secret_id}


def _only_secrets(values: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Refuse whatever is not a secret: plain settings come from the revision."""
    text = N_("Only secrets can be given here: the other settings are those of the revision.")
    if foreign := [name for name in values if name not in names]:
        flaws = [
            Flaw.at("configurations", name, code="unknown", message=Message.of(text)) for name in foreign
        ]
        raise Invalid(flaws)
    return values


def _lost(name: str) -> Flaw:
    text = N_("The value of that time is not held any more: enter this secret again.")
    return Flaw.at("configurations", name, code="reenter_secret", message=Message.of(text))
