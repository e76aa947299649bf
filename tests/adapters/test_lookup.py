"""Asking a vendor what became of a request that got no answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import responses
from responses import matchers

from adapters.email import Mail
from adapters.email.sendgrid import SendGrid
from adapters.kit import Catalog, EgressPolicy, Sent, Unsupported, Wire
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


def test_a_vendor_without_such_a_question_says_so():
    config = SendGrid.Config.parse({"api_key": "SG.x", "from_email": "a@example.com"})
    adapter = SendGrid(config, Wire.for_call(EgressPolicy()))
    mail = Mail(to=("b@example.com",), subject="s", text="t")

    with pytest.raises(Unsupported):
        adapter.lookup(adapter.operations()["email.send"], mail, SENT)


def test_who_can_be_asked_is_known_without_asking():
    known = {
        entry.service_type for entry in Catalog().entries() if entry.adapter and entry.adapter.looks_up()
    }

    assert "SMS_PROVIDER_ALIYUN" in known
    assert "EMAIL_PROVIDER_SENDGRID" not in known
