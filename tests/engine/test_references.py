"""Calls with credentials that are kept elsewhere: read when needed, and once more when they are refused."""

from __future__ import annotations

import pytest

from tests.engine.conftest import MAIL
from tests.engine.vendor import answer
from webapp.engine import PatchbayError
from webapp.registry import services

OLD, NEW = "SG-old-key-8fJ2kq0", "SG-new-key-77sHq1a"
NAME = "PATCHBAY_SECRET_MAIL"


@pytest.fixture
def elsewhere(runtime, monkeypatch):
    """Makes an enabled service whose key is in a variable."""
    monkeypatch.setenv(NAME, OLD)

    def make(url):
        settings = {"api_key": {"$ref": f"env:{NAME}"}, "from_email": "no-reply@example.com", "base_url": url}
        with runtime.sessions() as session:
            made = services.create(
                session, runtime, name="Mail", service_type="EMAIL_PROVIDER_SENDGRID", configurations=settings,
                actor="test", origin="cli", is_enabled=True,
            )  # fmt: skip
            session.commit()
            return made.service_id

    return make


def keys_of(peer):
    return [key for request in peer.requests for key in (OLD, NEW) if key.encode() in request]


def test_a_call_uses_what_the_reference_names(runtime, vendor, elsewhere):
    peer = vendor()

    runtime.hub.call("email.send", MAIL, prefer=elsewhere(peer.url))
    assert keys_of(peer) == [OLD]


def test_a_refused_key_that_was_changed_is_fetched_again_once(runtime, vendor, elsewhere, monkeypatch):
    peer = vendor([answer(202, X_Message_Id="m-1"), answer(401), answer(202, X_Message_Id="m-2")])
    mail = elsewhere(peer.url)
    runtime.hub.call("email.send", MAIL, prefer=mail)
    monkeypatch.setenv(NAME, NEW)

    result = runtime.hub.call("email.send", MAIL, prefer=mail)
    assert result.attempts == 2
    assert keys_of(peer) == [OLD, OLD, NEW]
    runtime.hub.call("email.send", MAIL, prefer=mail)
    assert keys_of(peer) == [OLD, OLD, NEW, NEW]


def test_a_refused_key_that_did_not_change_is_not_tried_again(runtime, vendor, elsewhere):
    peer = vendor(answer(401))

    with pytest.raises(PatchbayError) as refused:
        runtime.hub.call("email.send", MAIL, prefer=elsewhere(peer.url))
    assert refused.value.code == "VENDOR_AUTH_REJECTED"
    assert keys_of(peer) == [OLD]


def test_a_reference_that_leads_nowhere_keeps_the_call_back(runtime, vendor, elsewhere, monkeypatch):
    peer = vendor()
    mail = elsewhere(peer.url)
    monkeypatch.delenv(NAME)

    with pytest.raises(PatchbayError) as refused:
        runtime.hub.call("email.send", MAIL, prefer=mail)
    assert [candidate["code"] for candidate in refused.value.to_problem()["candidates"]] == [
        "CREDENTIALS_UNREADABLE"
    ]
    assert peer.requests == []


def test_what_a_reference_names_is_in_no_log(runtime, vendor, elsewhere):
    peer = vendor(answer(400, {"errors": [{"message": f"the key {OLD} is wrong"}]}))

    with pytest.raises(PatchbayError) as refused:
        runtime.hub.call("email.send", MAIL, prefer=elsewhere(peer.url))
    (attempt,) = runtime.log.call(refused.value.call_id).attempts
    assert OLD not in f"{attempt} {runtime.log.bodies(attempt.log_id)} {refused.value.to_problem()}"
