"""The pages of calls nobody knows about."""

from __future__ import annotations

import pytest

from adapters.kit import SystemClock
from tests.engine.vendor import CLOSE, Vendor, answer
from webapp.engine import PatchbayError
from webapp.registry import services

CONFIG = {"api_key": "SG.a-key-that-is-long-enough", "from_email": "no-reply@example.com"}
MAIL = {"to": ["lin@example.com"], "subject": "Welcome!", "text": "Hello"}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def peer():
    vendor = Vendor(CLOSE)
    yield vendor
    vendor.close()


@pytest.fixture
def unsure(runtime, peer):
    """The address of a call that ended unknown."""
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="Main", service_type="EMAIL_PROVIDER_SENDGRID", actor="tests", origin="cli",
            configurations=CONFIG | {"base_url": peer.url}, is_enabled=True,
        )  # fmt: skip
        session.commit()
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("email.send", MAIL, prefer=made.service_id, point="signup.welcome_mail")
    return f"/reconcile/{caught.value.call_id}"


def test_an_empty_list_says_that_nothing_is_unclear(viewer_client):
    assert "Nothing is unclear" in viewer_client.get("/reconcile").text
    assert "No call matches" in viewer_client.get("/reconcile?state=failed").text


def test_a_call_is_found_by_its_filters(viewer_client, unsure):
    assert f'href="{unsure}"' in viewer_client.get("/reconcile").text
    for wanted, shown in (
        ("state=needs_attention", False),
        ("operation=email.send", True),
        ("operation=sms.send", False),
        ("state=all", True),
    ):
        assert (f'href="{unsure}"' in viewer_client.get(f"/reconcile?{wanted}").text) is shown
    page = viewer_client.get(unsure).text
    assert "l***@example.com" in page
    assert "lin@example.com" not in page
    assert "It was done" not in page


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_an_operator_settles_it(operator_client, unsure, outcome):
    answer_ = operator_client.post(
        f"{unsure}/decide", data={"outcome": outcome, "note": "Asked their support."}
    )

    assert answer_.status_code == 303
    page = operator_client.get(unsure).text
    assert "Asked their support." in page
    assert "Send once more" not in page
    assert f'href="{unsure}"' not in operator_client.get("/reconcile").text
    again = operator_client.post(
        f"{unsure}/decide", data={"outcome": outcome, "note": "x"}, follow_redirects=True
    )
    assert "already" in again.text


def test_without_a_note_nothing_is_settled(operator_client, unsure):
    refused = operator_client.post(f"{unsure}/decide", data={"outcome": "failed", "note": ""})

    assert refused.status_code == 422
    assert 'href="#f-decide-note"' in refused.text
    assert "The service is asked" in operator_client.get(unsure).text


def test_it_is_sent_once_more_with_a_warning(operator_client, unsure, peer):
    refused = operator_client.post(f"{unsure}/resend", data={"note": "They lost it."})
    assert refused.status_code == 422
    assert "They lost it." in refused.text
    assert len(peer.requests) == 1

    peer.does = answer(202, X_Message_Id="m-2")
    sent = operator_client.post(
        f"{unsure}/resend", data={"note": "They lost it.", "accept_duplicate": "1"}, follow_redirects=True
    )

    assert "Sent once more" in sent.text
    assert len(peer.requests) == 2


def test_viewers_only_look(viewer_client, unsure):
    assert viewer_client.post(f"{unsure}/decide", data={"outcome": "failed", "note": "x"}).status_code == 403
    assert (
        viewer_client.post(f"{unsure}/resend", data={"note": "x", "accept_duplicate": "1"}).status_code == 403
    )


def test_a_call_that_was_never_in_doubt_is_not_here(operator_client):
    assert operator_client.get("/reconcile/42").status_code == 404
    assert (
        operator_client.post("/reconcile/42/decide", data={"outcome": "failed", "note": "x"}).status_code
        == 404
    )
