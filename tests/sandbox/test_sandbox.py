"""The pretend vendor answers in each vendor's own words and obeys its knobs."""

from __future__ import annotations

import base64

import pytest

from webapp.sandbox import create_sandbox, credentials
from webapp.sandbox.outbox import KEPT

MAIL = {
    "personalizations": [{"to": [{"email": "user@example.com"}]}],
    "from": {"email": "no-reply@example.com"},
    "subject": "Welcome!",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


@pytest.fixture
def sandbox():
    return create_sandbox().test_client()


@pytest.fixture
def sendgrid_key():
    return {"Authorization": f"Bearer {credentials.SENDGRID_API_KEY}"}


def test_sendgrid_accepts_mail_and_shows_it(sandbox, sendgrid_key):
    answer = sandbox.post("/v3/mail/send", json=MAIL, headers=sendgrid_key)

    assert answer.status_code == 202
    arrived = sandbox.get("/_sandbox/deliveries").json["items"]
    assert [(one["to"], one["text"], one["id"]) for one in arrived] == [
        ("user@example.com", "Hello", answer.headers["X-Message-Id"])
    ]
    assert "user@example.com" in sandbox.get("/").text


def test_a_wrong_key_is_refused_in_the_vendors_words(sandbox):
    answer = sandbox.get("/v3/scopes", headers={"Authorization": "Bearer SG.wrong"})

    assert answer.status_code == 401
    assert "authorization grant is invalid" in answer.json["errors"][0]["message"]


def test_twilio_wants_its_account_and_a_number(sandbox):
    sid = credentials.TWILIO_ACCOUNT_SID
    basic = base64.b64encode(f"{sid}:{credentials.TWILIO_AUTH_TOKEN}".encode()).decode()
    signed = {"Authorization": f"Basic {basic}"}
    url = f"/2010-04-01/Accounts/{sid}/Messages.json"

    assert sandbox.post(url, data={"To": "+8613900000000", "Body": "hi"}, headers=signed).status_code == 201
    assert sandbox.post(url, data={"To": "nobody", "Body": "hi"}, headers=signed).json["code"] == 21211
    assert sandbox.post(url, data={"To": "+8613900000000", "Body": "hi"}).json["code"] == 20003


def test_aliyun_refuses_an_unknown_key_and_a_wrong_signature(sandbox):
    unknown = {"Authorization": "ACS3-HMAC-SHA256 Credential=LTAIother,SignedHeaders=host,Signature=00"}
    wrong = {
        "Authorization": f"ACS3-HMAC-SHA256 Credential={credentials.ALIYUN_ACCESS_KEY_ID},"
        "SignedHeaders=host;x-acs-content-sha256,Signature=00"
    }

    assert sandbox.post("/", headers=unknown).json["Code"] == "InvalidAccessKeyId.NotFound"
    assert sandbox.post("/", headers=wrong).json["Code"] == "SignatureDoesNotMatch"


def test_plain_http_echoes_and_answers_any_status(sandbox):
    assert sandbox.put("/http/a/b?c=1", data="body").json == {
        "method": "PUT",
        "path": "/a/b",
        "query": {"c": "1"},
        "body": "body",
    }
    assert sandbox.get("/http/status/418").status_code == 418


@pytest.mark.parametrize(
    ("failure", "status"),
    [("rate_limited", 429), ("server_error", 500), ("unavailable", 503), ("garbage", 200)],
)
def test_a_failure_knob_fails(sandbox, sendgrid_key, failure, status):
    sandbox.put("/_sandbox/knobs/sendgrid", json={"failure": failure})

    answer = sandbox.post("/v3/mail/send", json=MAIL, headers=sendgrid_key)
    assert answer.status_code == status
    assert sandbox.get("/_sandbox/deliveries").json["items"] == []


def test_a_failure_can_strike_after_the_work_was_done(sandbox, sendgrid_key):
    sandbox.put("/_sandbox/knobs/sendgrid", json={"failure": "server_error", "when": "after"})

    assert sandbox.post("/v3/mail/send", json=MAIL, headers=sendgrid_key).status_code == 500
    assert len(sandbox.get("/_sandbox/deliveries").json["items"]) == 1


def test_the_limit_knob_refuses_the_request_too_many(sandbox, sendgrid_key):
    sandbox.put("/_sandbox/knobs/sendgrid", json={"limit_per_minute": 2})

    statuses = [sandbox.get("/v3/scopes", headers=sendgrid_key).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(
    ("vendor", "body", "status"),
    [
        ("sendgrid", {"failure": "sometimes"}, 422),
        ("sendgrid", {"when": "never"}, 422),
        ("sendgrid", {"latency_ms": -1}, 422),
        ("sendgrid", {"latency_ms": True}, 422),
        ("sendgrid", {"volume": 11}, 422),
        ("sendgrid", [1], 400),
        ("nobody", {}, 404),
    ],
)
def test_a_knob_says_what_it_cannot_take(sandbox, vendor, body, status):
    answer = sandbox.put(f"/_sandbox/knobs/{vendor}", json=body)

    assert answer.status_code == status
    assert answer.json["error"]


def test_the_page_turns_knobs_without_scripts(sandbox):
    answer = sandbox.post(
        "/_sandbox/twilio", data={"latency_ms": "5", "failure": "none", "failure_percent": "x"}
    )
    assert "problem=" in answer.headers["Location"]

    sandbox.post("/_sandbox/twilio", data={"latency_ms": "5"})
    assert sandbox.get("/_sandbox/knobs").json["twilio"]["latency_ms"] == 5


def test_the_outbox_forgets_the_oldest(sandbox):
    for number in range(KEPT + 1):
        sandbox.post("/http/x", data=str(number))

    arrived = sandbox.get("/_sandbox/deliveries").json["items"]
    assert len(arrived) == KEPT
    assert sandbox.delete("/_sandbox/deliveries").status_code == 204
    assert sandbox.get("/_sandbox/deliveries").json["items"] == []
