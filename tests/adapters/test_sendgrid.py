"""SendGrid as its Web API speaks."""

from __future__ import annotations

import json

import pytest
import responses
from responses import matchers

from adapters.email import Mail
from adapters.email.sendgrid import SendGrid
from adapters.kit import EgressPolicy, Fault, Reply, Stage, Wire, verdict

API = "https://api.sendgrid.com"
KEY = "SG.canary-key"


@pytest.fixture
def web():
    with responses.RequestsMock() as mock:
        yield mock


def sendgrid(**settings):
    usual = {"api_key": KEY, "from_email": "no-reply@example.com"}
    return SendGrid(SendGrid.Config.parse(usual | settings), Wire.for_call(EgressPolicy()))


def fault_of(adapter, mail):
    with pytest.raises(Fault) as caught:
        adapter.send(mail)
    return caught.value


HELLO = Mail(to=("lin@example.com",), subject="Welcome!", text="Hello…")


def test_a_mail_is_sent_as_sendgrid_wants_it(web):
    auth = matchers.header_matcher({"Authorization": f"Bearer {KEY}", "Accept": "application/json"})
    web.post(f"{API}/v3/mail/send", status=202, headers={"X-Message-Id": "m-1"}, match=[auth])
    mail = Mail(
        to=("lin@example.com", "Bo@example.com"),
        cc=("bo@example.com", "cc@example.com"),
        bcc=("hidden@example.com",),
        reply_to="help@example.com",
        subject="Welcome!",
        text="Hello…",
        html="<p>Hello…</p>",
        headers={"X-Campaign": "spring"},
        tags=("welcome",),
        attachments=({"filename": "a.csv", "content_type": "text/csv", "content_base64": "YTti"},),
    )
    receipt = sendgrid(from_name="Example", sandbox=True).send(
        SendGrid.operations()["email.send"].parse(mail)
    )

    assert receipt.message_id == "m-1"
    assert json.loads(web.calls[0].request.body) == {
        "personalizations": [
            {
                "to": [{"email": "lin@example.com"}, {"email": "Bo@example.com"}],
                "cc": [{"email": "cc@example.com"}],
                "bcc": [{"email": "hidden@example.com"}],
            }
        ],
        "from": {"email": "no-reply@example.com", "name": "Example"},
        "reply_to": {"email": "help@example.com"},
        "subject": "Welcome!",
        "content": [
            {"type": "text/plain", "value": "Hello…"},
            {"type": "text/html", "value": "<p>Hello…</p>"},
        ],
        "attachments": [{"filename": "a.csv", "type": "text/csv", "content": "YTti"}],
        "headers": {"X-Campaign": "spring"},
        "categories": ["welcome"],
        "mail_settings": {"sandbox_mode": {"enable": True}},
    }


def test_nothing_that_was_not_given_is_sent(web):
    web.post(f"{API}/v3/mail/send", status=202)
    sendgrid().send(HELLO)

    assert set(json.loads(web.calls[0].request.body)) == {"personalizations", "from", "subject", "content"}


def test_the_region_decides_the_host(web):
    web.post("https://api.eu.sendgrid.com/v3/mail/send", status=202)

    assert sendgrid(region="eu").send(HELLO).message_id == ""


@pytest.mark.parametrize(
    ("status", "headers", "code", "effect", "vendor_specific"),
    [
        (400, {}, "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (401, {}, "VENDOR_AUTH_REJECTED", "REJECTED", False),
        (403, {}, "VENDOR_PERMISSION_DENIED", "REJECTED", False),
        (403, {"X-RateLimit-Remaining": "0"}, "VENDOR_RATE_LIMITED", "REJECTED", False),
        (413, {}, "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (429, {"Retry-After": "7"}, "VENDOR_RATE_LIMITED", "REJECTED", False),
        (451, {}, "VENDOR_REJECTED_REQUEST", "REJECTED", True),
        (500, {}, "VENDOR_SERVER_ERROR", "UNKNOWN", False),
        (503, {"Retry-After": "7"}, "VENDOR_UNAVAILABLE", "REJECTED", False),
        (503, {}, "VENDOR_UNAVAILABLE", "UNKNOWN", False),
        (302, {"Location": "https://evil.example.com"}, "VENDOR_UNEXPECTED_REDIRECT", "REJECTED", False),
    ],
)
def test_what_each_answer_means(web, status, headers, code, effect, vendor_specific):
    error = {
        "errors": [{"message": "Bad value.", "field": "personalizations.0.to.0.email", "help": None}, "junk"]
    }
    web.post(f"{API}/v3/mail/send", status=status, headers=headers, json=error)
    fault = fault_of(sendgrid(), HELLO)

    assert (fault.code, fault.effect, fault.vendor_specific) == (code, effect, vendor_specific)
    assert fault.vendor_status == status
    assert fault.vendor_message == "personalizations.0.to.0.email Bad value."
    assert fault.retry_after == (7 if "Retry-After" in headers else None)
    assert KEY not in str(vars(fault))


@pytest.mark.parametrize(
    "body", [b"", b"<html>oops</html>", b"[]", b'{"errors": "none"}', b'{"errors": [3]}']
)
def test_an_error_without_words(body):
    fault = sendgrid().classify(Reply.of(400, body=body))

    assert (fault.code, fault.vendor_message) == ("VENDOR_REJECTED_REQUEST", None)


@pytest.mark.parametrize(
    ("scopes", "stage", "outcome"),
    [
        (["mail.send", "user.profile.read"], "ok", "verified"),
        (["user.profile.read"], "warning", "limited"),
    ],
)
def test_the_test_asks_for_the_permissions_of_the_key(web, scopes, stage, outcome):
    web.get(f"{API}/v3/scopes", json={"scopes": scopes})
    stages = list(sendgrid().check())

    assert [(found.name, found.status) for found in stages] == [
        ("authentication", "ok"),
        ("permission", stage),
    ]
    assert verdict(stages) == outcome


def test_a_key_that_may_not_list_its_permissions_is_good_but_not_proved(web):
    web.get(f"{API}/v3/scopes", status=403, json={"errors": [{"message": "access forbidden"}]})
    stages = list(sendgrid().check())

    assert verdict(stages) == "limited"
    assert stages[1].remedy


def test_scopes_that_are_none(web):
    web.get(f"{API}/v3/scopes", json={"scopes": "mail.send"})
    with pytest.raises(Fault) as caught:
        list(sendgrid().check())

    assert Stage.of_fault(caught.value).code == "MALFORMED_RESPONSE"
