"""Saving services without Flask: revisions, races, deletion and its undo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import select

from adapters.kit import Catalog, Entry, Message
from tests.registry.conftest import ACTOR
from webapp.models import AuditEntry, Service, ServiceRevision
from webapp.registry import services
from webapp.registry.errors import AdapterMissing, Conflict, Invalid, NotFound, Stale
from webapp.registry.history import revisions

PLAIN = {"base_url": "https://a.example"}
BY = {"actor": ACTOR, "origin": "ui"}


class Broken(Catalog):
    """A catalogue whose SendGrid adapter lacks a package."""

    def get(self, service_type):
        entry = super().get(service_type)
        reason = Message("needs the package sendgrid")
        return entry and Entry(entry.service_type, entry.contract, entry.label, None, entry.module, reason)


@pytest.fixture
def broken(runtime):
    return replace(runtime, catalog=Broken())


def test_the_writer_with_the_older_revision_loses(session, runtime, service):
    services.update(session, runtime, service, {"description": "a"}, expected_revision=1, **BY)
    session.commit()

    with pytest.raises(Stale) as stale:
        services.update(session, runtime, service, {"description": "b"}, expected_revision=1, **BY)

    assert stale.value.current_revision == 2


def test_a_change_made_elsewhere_is_seen_before_merging(session, runtime, service):
    with runtime.sessions() as other:
        services.update(
            other, runtime, services.find(other, service.service_id), {"description": "theirs"}, **BY
        )
        other.commit()

    services.update(session, runtime, service, {"default_timeout_ms": 5000}, **BY)

    assert (service.description, service.revision) == ("theirs", 3)


def test_a_form_speaks_in_texts(session, runtime, service):
    changes = {
        "default_timeout_ms": "5000",
        "retry_policy": {"max_attempts": "2"},
        "description": "",
        "service_name": "M",
    }
    services.update(session, runtime, service, changes, mode="form", **BY)

    assert (service.default_timeout_ms, service.retry_policy["max_attempts"]) == (5000, 2)
    assert service.description is None


def test_a_test_stays_valid_while_the_settings_stay(session, runtime, service):
    service.tested_revision, service.tested_verdict = 1, "verified"
    session.commit()
    services.update(session, runtime, service, {"description": "x"}, **BY)
    kept = service.tested_revision
    services.update(session, runtime, service, {"configurations": {"from_name": "Shop"}}, **BY)

    assert (kept, service.tested_revision, service.revision) == (2, 2, 3)


def test_the_audit_entry_names_what_changed_and_no_value(session, runtime, service):
    services.update(
        session, runtime, service, {"configurations": {"api_key": "SG.second", "from_name": "S"}}, **BY
    )
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc())).first()

    assert entry.action == "service.update"
    assert entry.detail["changed"] == ["api_key", "from_name"]
    assert "SG.second" not in str(entry.detail)


def test_what_is_rolled_back_leaves_no_trace(session, runtime, service):
    services.update(session, runtime, service, {"description": "x"}, note="why", **BY)
    session.rollback()

    assert services.find(session, service.service_id).revision == 1
    assert [one.number for one in revisions(session, service.service_id, limit=9)] == [1]
    assert session.scalars(select(AuditEntry.action)).all() == ["service.create"]


def test_a_deleted_service_comes_back_as_it_was(session, runtime, add):
    service = add(is_enabled=True)
    services.delete(session, runtime, service, **BY)
    session.commit()
    with pytest.raises(NotFound):
        services.find(session, service.service_id)

    back = services.restore_deleted(session, runtime, service.service_id, **BY)

    assert back.is_enabled is True
    assert back.secrets == service.secrets
    assert back.revision == 3


def test_after_thirty_days_it_does_not_come_back(session, runtime, clock, service):
    services.delete(session, runtime, service, **BY)
    session.commit()
    clock.advance(30 * 86_400 + 1)

    with pytest.raises(NotFound):
        services.restore_deleted(session, runtime, service.service_id, **BY)


def test_it_does_not_come_back_under_a_name_that_is_used_again(session, runtime, add, service):
    services.delete(session, runtime, service, **BY)
    session.commit()
    add()

    with pytest.raises(Conflict) as conflict:
        services.restore_deleted(session, runtime, service.service_id, **BY)

    assert conflict.value.code == "NAME_TAKEN"


@pytest.mark.parametrize("service_id", ["none", "0" * 36])
def test_only_deleted_services_come_back(session, runtime, service, service_id):
    for candidate in (service_id, service.service_id):
        with pytest.raises(NotFound):
            services.restore_deleted(session, runtime, candidate, **BY)


def test_a_copy_has_no_secrets_and_waits_for_them(session, runtime, add):
    copy = services.duplicate(session, runtime, add(is_enabled=True), name="Copy", **BY)

    assert (copy.is_enabled, copy.secrets) == (False, {})
    assert copy.configurations["from_email"] == "a@example.com"
    with pytest.raises(Invalid) as invalid:
        services.enable(session, runtime, copy, **BY)
    assert invalid.value.errors[0].pointer == "/configurations/api_key"


def test_a_copy_needs_a_name_of_its_own(session, runtime, service):
    with pytest.raises(Conflict):
        services.duplicate(session, runtime, service, name="MAIL", **BY)


def test_an_adapter_that_does_not_load_says_why(session, broken, service):
    for act in (
        lambda: services.create(
            session, broken, name="x", service_type="EMAIL_PROVIDER_SENDGRID", configurations={}, **BY
        ),
        lambda: services.update(session, broken, service, {"configurations": {}}, **BY),
        lambda: services.enable(session, broken, service, **BY),
    ):
        with pytest.raises(AdapterMissing) as missing:
            act()
        assert missing.value.reason == "needs the package sendgrid"


def test_a_service_without_its_adapter_can_still_be_renamed_listed_and_deleted(session, broken, service):
    services.update(session, broken, service, {"service_name": "Other"}, **BY)
    session.commit()
    found = services.search(session, broken, services.ServiceFilter())
    services.delete(session, broken, service, **BY)

    assert [item.service.service_name for item in found.items] == ["Other"]


def test_of_two_who_take_a_name_at_once_one_gets_it(session, runtime):
    barrier = Barrier(2)

    def take(name):
        with runtime.sessions() as own:
            barrier.wait()
            try:
                services.create(
                    own, runtime, name=name, service_type="HTTP_PROVIDER_GENERIC", configurations=PLAIN, **BY
                )
            except Conflict as conflict:
                return conflict.code
            own.commit()
            return "saved"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(take, ["Mail", "MAIL"]))

    assert outcomes == ["NAME_TAKEN", "saved"]
    assert len(session.scalars(select(Service.service_id)).all()) == 1
    assert len(session.scalars(select(ServiceRevision.number)).all()) == 1


def test_of_two_who_change_a_revision_at_once_one_does(session, runtime, service):
    barrier = Barrier(2)

    def change(text):
        with runtime.sessions() as own:
            found = services.find(own, service.service_id)
            barrier.wait()
            try:
                services.update(own, runtime, found, {"description": text}, expected_revision=1, **BY)
            except Stale:
                return "stale"
            own.commit()
            return "saved"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(change, ["a", "b"]))

    assert outcomes == ["saved", "stale"]


def test_what_is_incomplete_is_not_enabled_by_a_change_either(session, runtime, service):
    copy = services.duplicate(session, runtime, service, name="Copy", **BY)
    session.commit()

    with pytest.raises(Invalid):
        services.update(session, runtime, copy, {"is_enabled": True}, **BY)

    complete = {"is_enabled": True, "configurations": {"api_key": "SG.its-own"}}
    assert services.update(session, runtime, copy, complete, **BY).is_enabled is True
