"""Asking a vendor what became of a request that got no answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import responses
from responses import matchers

from adapters.email import Mail
from adapters.email.sendgrid import SendGrid
from adapters.kit import Catalog, EgressPolicy, Sent, Unsupported, Wire
from adapters.sms.twilio import Twilio
from tests.adapters.test_aliyun import CODE, HOST, aliyun, query

# Late in the evening in UTC it is already the next day in China.
SENT = Sent("call-7", datetime(2026, 1, 2, 20, 0, tzinfo=UTC))


def listed(web, *details):
    body = {"Code": "OK", "Message": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": list(details)}}
    web.post(HOST, json=body, match=[matchers.header_matcher({"x-acs-action": "QuerySendDetails"})])


def look_up(adapter):
    return adapter.lookup(adapter.operations()["sms.send"], CODE, SENT)


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ([{"OutId": "call-6"}, {"OutId": "call-7", "SendStatus": 3}], "done"),
        ([{"OutId": "call-6"}], "unclear"),
        ([], "unclear"),
        (["junk"], "unclear"),
    ],
)
def test_aliyun_is_asked_by_our_own_number(details, outcome):
    with responses.RequestsMock() as web:
        listed(web, *details)
        assert look_up(aliyun()).outcome == outcome
        asked = query(web.calls[0])

    assert (asked["PhoneNumber"], asked["SendDate"]) == ("13900000000", "20260103")


def test_an_answer_without_a_list_proves_nothing():
    with responses.RequestsMock() as web:
        web.post(HOST, json={"Code": "OK", "SmsSendDetailDTOs": "none"})
        assert look_up(aliyun()).outcome == "unclear"


MAIL = Mail(to=("b@example.com",), subject="s", text="t")


def sendgrid():
    config = SendGrid.Config.parse({"api_key": "SG.x", "from_email": "a@example.com"})
    return SendGrid(config, Wire.for_call(EgressPolicy(), idempotency_key=SENT.key))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"messages": [{"msg_id": "m-1", "status": "delivered"}]}, "done"),
        ({"messages": []}, "unclear"),
        ({"messages": ["junk"]}, "unclear"),
        ({}, "unclear"),
    ],
)
def test_sendgrid_is_asked_by_our_own_number(answer, outcome):
    adapter = sendgrid()
    with responses.RequestsMock() as web:
        web.post("https://api.sendgrid.com/v3/mail/send", status=202)
        adapter.send(MAIL)
        sent = json.loads(web.calls[0].request.body)["custom_args"]
        wanted = {"limit": "1", "query": f"(unique_args['patchbay_key']=\"{sent['patchbay_key']}\")"}
        web.get(
            "https://api.sendgrid.com/v3/messages", json=answer, match=[matchers.query_param_matcher(wanted)]
        )
        found = sendgrid().lookup(adapter.operations()["email.send"], MAIL, SENT)

    assert found.outcome == outcome
    assert found.result == ({"message_id": "m-1"} if outcome == "done" else {})


def test_a_key_that_may_not_read_the_activity_leaves_the_question_open():
    with responses.RequestsMock() as web:
        web.get("https://api.sendgrid.com/v3/messages", status=403)
        found = sendgrid().lookup(SendGrid.operations()["email.send"], MAIL, SENT)

    assert found.outcome == "unclear"
    assert "activity" in str(found.message)


def test_a_vendor_without_such_a_question_says_so():
    config = Twilio.Config.parse({"account_sid": "AC" + "0" * 32, "auth_token": "x", "from": "+15551234567"})
    adapter = Twilio(config, Wire.for_call(EgressPolicy()))

    with pytest.raises(Unsupported):
        adapter.lookup(adapter.operations()["sms.send"], CODE, SENT)


def test_who_can_be_asked_is_known_without_asking():
    known = {
        entry.service_type for entry in Catalog().entries() if entry.adapter and entry.adapter.looks_up()
    }

    assert {"SMS_PROVIDER_ALIYUN", "EMAIL_PROVIDER_SENDGRID"} <= known
    assert "SMS_PROVIDER_TWILIO" not in known
