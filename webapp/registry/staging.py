"""The next value of a secret beside the one in use: entered, tested, promoted, with the previous one kept a while.

A staged value is bound to the destination it was entered for: the service going elsewhere drops it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from adapters.kit import Entry, FieldSpec, Message, N_
from webapp.db import begin_write
from webapp.models.credential import NEXT, StagedSecret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import credentials, services, testing
from webapp.registry.assemble import usable
from webapp.registry.drafts import Draft, secret_specs
from webapp.registry.errors import Flaw, Invalid, NotFound, Stale
from webapp.registry.standby import drop, keep_previous, require, write_down
from webapp.registry.switches import LOCK
from webapp.runtime import Runtime

GRACE = timedelta(hours=24)
LONGEST_GRACE_HOURS = 30 * 24


def companions(specs: Sequence[FieldSpec]) -> list[FieldSpec]:
    """Plain settings that change together with a secret, such as the id of an access key or a user name."""
    return [
        spec
        for spec in specs
        if spec.group == "credentials" and spec.kind != "secret" and not spec.destination
    ]


def stage_next(
    session: Session,
    runtime: Runtime,
    service: Service,
    field: str,
    value: Any,
    *,
    actor: str,
    settings: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
) -> StagedSecret:
    """Seal the next value of a secret, in place of one that waited. Nothing uses it yet. The caller commits.

    `settings` are plain companions that change with it. Raises NotFound for what is no secret, AdapterMissing,
    Invalid and KeysUnavailable.
    """
    begin_write(session, LOCK)
    session.refresh(service)
    entry = _known(runtime, service, field)
    changed = {
        name: value for name, value in (settings or {}).items() if value != service.configurations.get(name)
    }
    _only_companions(entry.adapter.Config.specs() if entry.adapter else (), changed)
    if value is None:
        text = Message.of(N_("Enter the next value."))
        raise Invalid([Flaw.at("configurations", field, code="missing", message=text)])
    draft = Draft.for_change(service, entry, {**changed, field: value})
    if draft.errors:
        raise Invalid(draft.errors)
    drop(session, service, field, NEXT)
    secret_id = credentials.seal(session, runtime, service, draft, field, actor=actor, expires_at=expires_at)
    row = StagedSecret(service_id=service.service_id, field=field, stage=NEXT, secret_id=secret_id)
    row.settings, row.added_by, row.added_at = changed or None, actor, runtime.clock.now()
    session.add(row)
    write_down(session, runtime, service, field, "secret.stage", actor, {"companions": sorted(changed)})
    return row


def discard_next(session: Session, runtime: Runtime, service: Service, field: str, *, actor: str) -> None:
    """Wipe a next value that is not wanted. Raises NotFound. The caller commits."""
    begin_write(session, LOCK)
    require(session, service, field, NEXT)
    drop(session, service, field, NEXT)
    write_down(session, runtime, service, field, "secret.discard", actor)


def draft_of(runtime: Runtime, service: Service, row: StagedSecret) -> Draft:
    """The service's settings with a staged value in the place of the one in use. Raises AdapterMissing."""
    entry = usable(runtime, service.service_type)
    plain = {**service.configurations, **(row.settings or {})}
    return Draft.for_restore(service, entry, plain, {**service.secrets, row.field: row.secret_id}, {})


def test_next(runtime: Runtime, service: Service, field: str, *, actor: str) -> testing.Report:
    """Test the connection with the next value; sends nothing, spends nothing. Raises NotFound and as `testing.test`."""
    with runtime.sessions() as session:
        row = require(session, service, field, NEXT)
        draft = draft_of(runtime, service, row)
    report = testing.run(runtime, service, draft, actor)
    with runtime.sessions() as session:
        again = session.get(StagedSecret, (service.service_id, field, NEXT))
        if again is not None and again.secret_id == row.secret_id:
            again.tested_at, again.tested_verdict = runtime.clock.now(), report.verdict
            session.commit()
    return report


def promote(
    session: Session,
    runtime: Runtime,
    service: Service,
    field: str,
    *,
    actor: str,
    origin: str,
    grace: timedelta = GRACE,
    note: str | None = None,
    expected_revision: int | None = None,
) -> Service:
    """Use the next value from now on, as a new revision; the one before stands by until the grace is over.

    A test of the next value counts for the new revision if nothing was saved since. Raises NotFound, Stale and as
    `services.update`. The caller commits.
    """
    begin_write(session, LOCK)
    session.refresh(service)
    if expected_revision is not None and expected_revision != service.revision:
        raise Stale(service.revision)
    row = require(session, service, field, NEXT)
    before, plain = service.secrets.get(field), dict(service.configurations)
    proved = row.tested_verdict if row.tested_at and row.tested_at >= service.updated_at else None
    draft = draft_of(runtime, service, row)
    companions_before = {name: plain.get(name) for name in row.settings or {}}
    session.delete(row)
    session.flush()
    services.update(session, runtime, service, {}, draft=draft, actor=actor, origin=origin, note=note)
    if proved and row.tested_at:
        session.flush()
        testing.record_test(session, service.service_id, service.revision, proved, at=row.tested_at)
        session.refresh(service)
    keep_previous(session, runtime, service, field, before, companions_before, grace, actor)
    hours = round(grace.total_seconds() / 3600, 2)
    write_down(session, runtime, service, field, "secret.promote", actor, {"grace_hours": hours})
    return service


def _known(runtime: Runtime, service: Service, field: str) -> Entry:
    entry = usable(runtime, service.service_type)
    if field not in secret_specs(entry):
        raise NotFound(Message.of(N_("This service has no such secret.")))
    return entry


def _only_companions(specs: Sequence[FieldSpec], settings: Mapping[str, Any]) -> None:
    allowed = {spec.name for spec in companions(specs)}
    text = N_("This setting does not change together with a secret.")
    if flaws := [
        Flaw.at("configurations", name, code="unknown", message=Message.of(text))
        for name in settings
        if name not in allowed
    ]:
        raise Invalid(flaws)
