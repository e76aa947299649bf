"""What cannot be recorded is not sent; what can wait in the journal is."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from tests.engine.conftest import MAIL
from webapp.engine import PatchbayError


@pytest.fixture
def refuse():
    """Lets statements on some table fail, as a full disk would; the test empties the list to repair it."""
    words = []

    def check(_connection, _cursor, statement, *_rest):
        if any(word in statement for word in words):
            raise OperationalError(statement, {}, Exception("disk full"))

    event.listen(Engine, "before_cursor_execute", check)
    yield words
    event.remove(Engine, "before_cursor_execute", check)


def check_refused(runtime, peer, mail, **how):
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("email.send", MAIL, prefer=mail, **how)

    error = caught.value
    assert (error.code, error.effect, error.status) == ("STATE_STORE_UNAVAILABLE", "NONE", 503)
    assert error.retryable
    assert peer.requests == []


def test_nothing_is_sent_while_nobody_knows_the_services(runtime, vendor, service, refuse):
    peer = vendor()
    mail = service(peer.url)
    refuse += ["FROM services"]
    check_refused(runtime, peer, mail)


def test_nothing_is_sent_under_a_key_that_cannot_be_taken(runtime, vendor, service, refuse):
    peer = vendor()
    mail = service(peer.url)
    refuse += ["INSERT INTO calls"]
    check_refused(runtime, peer, mail, call_key="welcome-42")


def test_a_mail_is_not_sent_while_the_journal_is_full(runtime, vendor, service):
    peer = vendor()
    mail = service(peer.url)
    runtime.ledger.journal.cap = 0
    check_refused(runtime, peer, mail)


def test_a_mail_is_not_sent_while_the_journal_cannot_be_made(runtime, vendor, service):
    peer = vendor()
    mail = service(peer.url)
    runtime.ledger.journal.directory.write_text("in the way")
    check_refused(runtime, peer, mail)


def test_a_call_that_waits_for_its_record_is_refused_in_time(runtime, vendor, service, refuse, monkeypatch):
    peer = vendor()
    mail = service(peer.url, durability="database")
    monkeypatch.setattr("webapp.log.ledger.COMMIT_WAIT_S", 0.1)
    refuse += ["INTO call_logs"]
    check_refused(runtime, peer, mail)


def test_calls_go_on_while_the_log_is_away(runtime, vendor, service, refuse):
    mail = service(vendor().url)
    refuse += ["INTO call_logs"]

    result = runtime.hub.call("email.send", MAIL, prefer=mail)

    assert result.outcome == "succeeded"
    assert runtime.recorder.backlog().own > 0
    refuse.clear()
    assert runtime.ledger.drain.wait([(one, one.size) for one in runtime.ledger.journal.segments], 10)
    assert runtime.log.call(result.call_id).outcome == "succeeded"
