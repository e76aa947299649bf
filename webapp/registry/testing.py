"""Test a service before it is trusted: staged, live, without sending anything and without spending money."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from adapters.kit import Cost, Message, Settings, SettingsInvalid, Stage, N_, verdict
from webapp.models.audit import AuditEntry
from webapp.models.revision import ServiceRevision
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.assemble import open_config, usable
from webapp.registry.checking import check
from webapp.registry.drafts import Draft
from webapp.registry.errors import Invalid, TooManyTests
from webapp.registry.fields import HealthPolicy
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable, audit

TIMEOUT_S = 15
TESTS_A_MINUTE = 10  # of one person
TESTS_AN_HOUR = 60  # of one service, whoever asks
ACTION = "service.test"
# Whoever presses the button may use up quota; money only where the settings of the service allow it.
BY_HAND: Cost = "quota"


class Report(NamedTuple):
    """What a test found: every stage, and one word for all of them."""

    verdict: str
    stages: tuple[Stage, ...]
    duration_ms: int


def test(runtime: Runtime, service: Service | None, draft: Draft | None, actor: str) -> Iterator[Stage]:
    """The stages of a test of what is stored, or of a draft, as they happen; at most 15 s.

    Everything is checked and read before this returns, so no transaction is open while the network is used.
    Raises Invalid for a draft with errors, AdapterMissing and TooManyTests.
    """
    if draft is not None and draft.errors:
        raise Invalid(draft.errors)
    service_type = draft.entry.service_type if draft else _type_of(service)
    entry = usable(runtime, service_type)
    assert entry.adapter is not None
    with runtime.sessions() as session:
        now = runtime.clock.now()
        _throttle(session, now, AuditEntry.actor == actor, TESTS_A_MINUTE, timedelta(minutes=1))
        if service is not None:
            _throttle(
                session, now, AuditEntry.target == service.service_id, TESTS_AN_HOUR, timedelta(hours=1)
            )
        target = service.service_id if service else service_type
        detail = {"service_type": service_type, "unsaved": draft is not None}
        audit.append(session, runtime, actor=actor, action=ACTION, target=target, detail=detail)
        session.commit()
        config = _config(session, runtime, service, draft)
    if isinstance(config, Stage):
        return iter([config])
    endpoint = service.health_check_endpoint if service else None
    allowed = "money" if service and _policy(service).allowed_cost == "money" else BY_HAND
    return check(runtime, entry.adapter, config, endpoint, timeout_s=TIMEOUT_S, allowed=allowed)


def run(runtime: Runtime, service: Service | None, draft: Draft | None, actor: str) -> Report:
    """A whole test at once; of what is stored, the verdict is kept with the revision it was about.

    Raises as `test`.
    """
    saved = (service.service_id, service.revision) if service is not None and draft is None else None
    begun = runtime.clock.monotonic()
    stages = tuple(test(runtime, service, draft, actor))
    report = Report(verdict(stages), stages, round((runtime.clock.monotonic() - begun) * 1000))
    if saved is not None:
        with runtime.sessions() as session:
            record_test(session, *saved, report.verdict, at=runtime.clock.now())
            session.commit()
    return report


def record_test(session: Session, service_id: str, revision: int, verdict: str, *, at: datetime) -> None:
    """Remember the verdict on a revision, unless somebody saved another one meanwhile. The caller commits."""
    session.execute(
        update(Service)
        .where(Service.service_id == service_id, Service.revision == revision)
        .values(tested_at=at, tested_verdict=verdict, tested_revision=revision)
    )
    session.execute(
        update(ServiceRevision)
        .where(ServiceRevision.service_id == service_id, ServiceRevision.number == revision)
        .values(tested_at=at, tested_verdict=verdict)
    )


def _policy(service: Service) -> HealthPolicy:
    return HealthPolicy(**(service.health_policy or {}))


def _type_of(service: Service | None) -> str:
    if service is None:
        raise ValueError("A test needs a service or a draft.")
    return service.service_type


def _throttle(
    session: Session, now: datetime, whose: ColumnElement[bool], most: int, span: timedelta
) -> None:
    """So many tests in a while, counted in the audit log, so that all processes count together."""
    query = (
        select(AuditEntry.at)
        .where(whose, AuditEntry.action == ACTION, AuditEntry.at > now - span)
        .order_by(AuditEntry.at.desc())
        .limit(most)
    )
    recent = session.scalars(query).all()
    if len(recent) == most:
        raise TooManyTests(max(1, math.ceil((span - (now - recent[-1])).total_seconds())))


def _config(
    session: Session, runtime: Runtime, service: Service | None, draft: Draft | None
) -> Settings | Stage:
    """The settings to test with, or the failed first stage that says why there are none."""
    try:
        if draft is not None:
            return draft.config(session, runtime.vault)
        assert service is not None
        return open_config(session, runtime, service)
    except SecretUnreadable as unreadable:
        if unreadable.is_key_away:
            message = Message.of(N_("The key for a stored secret is not available."))
            remedy = Message.of(
                N_("See the System page: bring the key back, or wait until its provider answers again.")
            )
            return _failed(message, remedy, "KEY_UNAVAILABLE", None)
        message = Message.of(N_("A stored secret cannot be read any more."))
        remedy = Message.of(N_("Enter it again."))
        return _failed(message, remedy, "CREDENTIALS_UNREADABLE", None)
    except SettingsInvalid as invalid:
        first = invalid.errors[0]
        remedy = Message.of(N_("Correct the settings, then test again."))
        return _failed(first.message, remedy, "CONFIG_INVALID", first.field)


def _failed(message: Message, remedy: Message, code: str, field: str | None) -> Stage:
    return Stage(
        name="settings",
        status="failed",
        message=message,
        remedy=remedy,
        code=code,
        field=field,
        duration_ms=0,
    )
