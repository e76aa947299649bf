"""Twilio as its Messaging API speaks."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import parse_qsl

import pytest
import responses
from responses import matchers

from adapters.kit import EgressPolicy, Fault, SettingsInvalid, Wire, verdict
from adapters.sms import Receipt, Text
from adapters.sms.twilio import Twilio

SID, KEY_SID, SERVICE = "AC" + "a1" * 16, "SK" + "b2" * 16, "MG" + "c3" * 16
TOKEN = {"account_sid": SID, "auth_token": "canary-token", "from": "+15550001111"}
KEY = {"account_sid": SID, "api_key_sid": KEY_SID, "api_key_secret": "canary-secret", "from": "+15550001111"}
ACCOUNT = f"https://api.twilio.com/2010-04-01/Accounts/{SID}"
HELLO = Text(to="+8613900000000", text="Hello…")


@pytest.fixture
def web():
    with responses.RequestsMock() as mock:
        yield mock


def twilio(settings):
    return Twilio(Twilio.Config.parse(settings), Wire.for_call(EgressPolicy()))


def sent(web):
    return dict(parse_qsl(web.calls[0].request.body.decode()))


def fault_of(adapter, text=HELLO):
    with pytest.raises(Fault) as caught:
        adapter.send(text)
    return caught.value


def created(web, **answer):
    web.post(
        f"{ACCOUNT}/Messages.json",
        status=201,
        json={"sid": "SM1", "status": "queued", "num_segments": "2"} | answer,
    )


def test_a_text_is_queued(web):
    created(web)
    receipt = twilio(TOKEN).send(HELLO)

    assert receipt == Receipt("SM1", 2)
    assert sent(web) == {"To": "+8613900000000", "From": "+15550001111", "Body": "Hello…"}
    assert (
        b64decode(web.calls[0].request.headers["Authorization"].removeprefix("Basic "))
        == f"{SID}:canary-token".encode()
    )


def test_a_messaging_service_a_template_and_a_callback(web):
    created(web, num_segments=None)
    settings = TOKEN | {
        "from": "",
        "messaging_service_sid": SERVICE,
        "status_callback": "https://example.com/cb",
    }
    text = Text(to="+8613900000000", template="HX123", template_params={"1": "二"})
    receipt = twilio(settings).send(text)

    assert receipt.segments is None
    assert sent(web) == {
        "To": "+8613900000000",
        "MessagingServiceSid": SERVICE,
        "StatusCallback": "https://example.com/cb",
        "ContentSid": "HX123",
        "ContentVariables": '{"1": "二"}',
    }


def test_a_signature_is_the_sender_where_it_can_be(web):
    created(web)
    twilio(TOKEN).send(Text(to="+447700900000", text="Hi", sign="Example 1"))

    assert sent(web)["From"] == "Example 1"


@pytest.mark.parametrize(
    "text",
    [
        Text(to="+447700900000", text="Hi", sign="阿里云"),
        Text(to="+447700900000", text="Hi", sign="123"),
        Text(to="+447700900000", template="SMS_1", template_params={"code": "1"}),
        Text(to="+447700900000"),
    ],
)
def test_what_twilio_cannot_express_is_left_to_others(text):
    fault = fault_of(twilio(TOKEN), text)

    assert (fault.code, fault.effect) == ("OPERATION_UNSUPPORTED", "NONE")


@pytest.mark.parametrize(
    ("status", "vendor_code", "code", "effect", "vendor_specific"),
    [
        (401, 20003, "VENDOR_AUTH_REJECTED", "REJECTED", False),
        (404, 20404, "VENDOR_NOT_FOUND", "REJECTED", False),
        (429, 20429, "VENDOR_RATE_LIMITED", "REJECTED", False),
        (400, 21211, "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (400, 21610, "VENDOR_RECIPIENT_BLOCKED", "REJECTED", False),
        (400, 21408, "VENDOR_REJECTED_REQUEST", "REJECTED", True),
        (400, 21606, "VENDOR_REJECTED_REQUEST", "REJECTED", True),
        (400, 30001, "VENDOR_UNAVAILABLE", "REJECTED", False),
        (400, 99999, "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (500, 20500, "VENDOR_SERVER_ERROR", "UNKNOWN", False),
    ],
)
def test_what_each_number_means(web, status, vendor_code, code, effect, vendor_specific):
    body = {"code": vendor_code, "message": "No.", "more_info": "…", "status": status}
    web.post(f"{ACCOUNT}/Messages.json", status=status, json=body)
    fault = fault_of(twilio(TOKEN))

    assert (fault.code, fault.effect, fault.vendor_specific) == (code, effect, vendor_specific)
    assert (fault.vendor_code, fault.vendor_message, fault.vendor_status) == (str(vendor_code), "No.", status)
    assert "canary" not in str(vars(fault))


def test_a_message_that_was_created_as_failed_is_a_failure(web):
    created(web, status="failed", error_code=21610, error_message="Opted out")
    fault = fault_of(twilio(TOKEN))

    assert (fault.code, fault.vendor_message) == ("VENDOR_RECIPIENT_BLOCKED", "Opted out")


@pytest.mark.parametrize(
    ("status", "stage", "outcome"), [("active", "ok", "verified"), ("suspended", "failed", "limited")]
)
def test_the_test_reads_the_account(web, status, stage, outcome):
    web.get(f"{ACCOUNT}.json", json={"status": status, "auth_token": "canary"})
    stages = list(twilio(TOKEN).check())

    assert [(found.name, found.status) for found in stages] == [
        ("authentication", "ok"),
        ("permission", stage),
    ]
    assert verdict(stages) == outcome
    assert "canary" not in str(stages)


def test_a_key_that_may_not_read_the_account_is_proved_on_the_messages(web):
    web.get(f"{ACCOUNT}.json", status=401, json={"code": 20003})
    web.get(
        f"{ACCOUNT}/Messages.json",
        json={"messages": []},
        match=[matchers.query_param_matcher({"PageSize": "1"})],
    )
    stages = list(twilio(KEY).check())

    assert verdict(stages) == "verified"
    assert stages[1].status == "skipped"


def test_a_wrong_token_is_rejected_at_once(web):
    web.get(f"{ACCOUNT}.json", status=401, json={"code": 20003})
    with pytest.raises(Fault) as caught:
        list(twilio(TOKEN).check())

    assert caught.value.code == "VENDOR_AUTH_REJECTED"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"account_sid": "AC12"}, "account_sid"),
        ({"auth_token": ""}, "auth_token"),
        ({"api_key_sid": KEY_SID}, "api_key_secret"),
        ({"api_key_secret": "s"}, "api_key_secret"),
        ({"from": ""}, "from"),
        ({"messaging_service_sid": "MG1"}, "messaging_service_sid"),
        ({"status_callback": "ftp://example.com"}, "status_callback"),
        ({"region": "ie1"}, "region"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, field):
    with pytest.raises(SettingsInvalid) as caught:
        twilio(TOKEN | settings)

    assert [error.field for error in caught.value.errors] == [field]
