"""Calls ask no database what is configured, and still see every change in time."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import event, update

from tests.engine.conftest import API_KEY, MAIL
from webapp.engine import PatchbayError
from webapp.engine.snapshot import LOOK_EVERY_S
from webapp.models.service import Service
from webapp.registry import routes, services, switches
from webapp.runtime import Runtime


@pytest.fixture
def statements(runtime):
    """What this process asks its database, in order."""
    seen = []
    event.listen(runtime.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    return seen


@pytest.fixture
def other(config):
    """Another process, as far as its snapshot and its database connections go."""
    runtime = Runtime.create(config)
    yield runtime
    runtime.close()


def call(runtime, name="EMAIL_SERVICE"):
    return runtime.hub.call("email.send", MAIL, prefer=name)


def change(runtime, service_id, work):
    with runtime.sessions() as session:
        work(session, services.find(session, service_id))
        session.commit()


def until(true, seconds=5):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_a_call_asks_the_database_nothing(runtime, vendor, service, statements):
    service(vendor().url)
    call(runtime)
    assert runtime.recorder.flush()
    runtime.snapshots._looked = time.monotonic() + 60
    runtime.ledger.drain.wake = lambda: None
    runtime.ledger.journal.written = lambda: None
    statements.clear()

    call(runtime)

    assert statements == []


def test_a_save_in_this_process_counts_at_once(runtime, vendor, service):
    mail = service(vendor().url)
    call(runtime, mail)

    change(
        runtime,
        mail,
        lambda session, found: switches.disable(session, runtime, found, actor="t", origin="cli"),
    )

    with pytest.raises(PatchbayError) as caught:
        call(runtime, mail)
    assert caught.value.candidates[0]["code"] == "CONFIG_DISABLED"


def test_a_statement_that_changes_many_services_counts_too(runtime, vendor, service):
    mail = service(vendor().url)
    call(runtime, mail)
    with runtime.sessions() as session:
        session.execute(update(Service).values(is_enabled=False))
        session.commit()

    with pytest.raises(PatchbayError):
        call(runtime, mail)


def test_a_save_of_another_process_counts_within_a_moment(runtime, other, vendor, service):
    first, second = vendor(), vendor()
    mail = service(first.url)
    call(runtime, mail)

    def work(session, found):
        settings = {**found.configurations, "base_url": second.url, "api_key": API_KEY}
        changes = {"configurations": settings}
        services.update(session, other, found, changes, actor="t", origin="cli")

    change(other, mail, work)
    runtime.snapshots._stale = False  # the other process would not have told this one
    time.sleep(LOOK_EVERY_S + 0.01)
    until(lambda: call(runtime, mail) and second.requests)

    assert second.requests


def test_a_route_of_another_process_is_found(runtime, other, vendor, service):
    mail = service(vendor().url)
    call(runtime)
    with other.sessions() as session:
        values = {"name": "EMAIL_WELCOME", "contract": "EMAIL_SERVICE", "members": [mail]}
        routes.create(session, other, values, actor="t")
        session.commit()
    runtime.snapshots._stale = False
    time.sleep(LOOK_EVERY_S + 0.01)

    assert until(lambda: runtime.snapshots.current().routes)
    assert call(runtime, "EMAIL_WELCOME").service_id == mail


def test_a_database_that_is_away_delays_no_call(runtime, vendor, service, monkeypatch):
    mail = service(vendor().url)
    call(runtime, mail)
    before = runtime.snapshots.current()
    monkeypatch.setattr("webapp.engine.snapshot.version_of", lambda _connection: time.sleep(1))

    began = time.monotonic()
    for _ in range(5):
        runtime.snapshots._looked = 0.0
        assert runtime.snapshots.current() is before
    assert time.monotonic() - began < 0.8
    assert call(runtime, mail).outcome == "succeeded"


def test_secrets_are_opened_once_and_again_when_the_keys_change(runtime, vendor, service, monkeypatch):
    mail = service(vendor().url)
    opened = []
    unseal = runtime.vault.open
    monkeypatch.setattr(runtime.vault, "open", lambda *given: opened.append(1) or unseal(*given))

    for _ in range(3):
        call(runtime, mail)
    assert len(opened) == 1

    runtime.vault.forget()
    call(runtime, mail)
    assert len(opened) == 2


def test_a_new_secret_is_used_by_the_next_call(runtime, vendor, service):
    peer = vendor()
    mail = service(peer.url)
    call(runtime, mail)

    def work(session, found):
        changes = {"configurations": {**found.configurations, "api_key": "SG.another-key-4711"}}
        services.update(session, runtime, found, changes, actor="t", origin="cli")

    change(runtime, mail, work)
    call(runtime, mail)

    assert API_KEY.encode() in peer.requests[0]
    assert b"SG.another-key-4711" in peer.requests[1]


def test_an_answer_is_found_once_for_each_picture(runtime, vendor, service):
    service(vendor().url)
    call(runtime)
    picture = runtime.snapshots.current()
    call(runtime)
    assert runtime.snapshots.current() is picture
    assert len(picture.found) == 1
