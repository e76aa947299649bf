"""Aliyun SMS as its gateway speaks: signed requests, and failures inside HTTP 200."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from responses import matchers

from adapters.kit import EgressPolicy, Fault, FixedClock, Wire, verdict
from adapters.sms import Receipt, Text
from adapters.sms.aliyun import AliyunSms

SETTINGS = {
    "accessKeyId": "testid",
    "accessKeySecret": "testsecret",
    "signName": "阿里云短信测试",
    "templateCode": "SMS_154950909",
}
HOST = "https://dysmsapi.aliyuncs.com/"
CODE = Text(to="+8613900000000", template_params={"code": "1234"})
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def web():
    with responses.RequestsMock() as mock:
        yield mock


def aliyun(*, key="", **settings):
    wire = Wire.for_call(EgressPolicy(), clock=FixedClock(NOW), idempotency_key=key)
    wire.nonce = lambda: "3156853299f313e23d1673dc12e1703d"
    return AliyunSms(AliyunSms.Config.parse(SETTINGS | settings), wire)


def answers(web, action, *, url=HOST, status=200, **body):
    body = {"Code": "OK", "Message": "OK", "RequestId": "R-1"} | body
    web.post(url, status=status, json=body, match=[matchers.header_matcher({"x-acs-action": action})])


def query(call):
    return dict(parse_qsl(urlsplit(call.request.url).query))


def fault_of(adapter, text=CODE):
    with pytest.raises(Fault) as caught:
        adapter.send(text)
    return caught.value


def test_a_template_is_sent(web):
    answers(web, "SendSms", BizId="B-1")
    receipt = aliyun(key="call-7").send(CODE)

    assert receipt == Receipt("B-1")
    assert query(web.calls[0]) == {
        "PhoneNumbers": "13900000000",
        "SignName": "阿里云短信测试",
        "TemplateCode": "SMS_154950909",
        "TemplateParam": '{"code":"1234"}',
        "OutId": "call-7",
    }
    assert not web.calls[0].request.body


def test_the_request_equals_the_official_client_s(web):
    answers(web, "SendSms", BizId="B-1")
    aliyun().send(CODE)
    headers = web.calls[0].request.headers

    assert headers["x-acs-date"] == "2026-01-02T03:04:05Z"
    assert headers["x-acs-version"] == "2017-05-25"
    assert headers["Authorization"] == (
        "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,"
        "Signature=d8d154e4a01048a8fa928277a7ed2d4aed22dc2d0bdec82471cde6b74c76ed3e"
    )


def test_a_temporary_key_signs_its_token_too(web):
    answers(web, "SendSms", BizId="B-1")
    aliyun(securityToken="canary-token").send(CODE)
    headers = web.calls[0].request.headers

    assert headers["x-acs-security-token"] == "canary-token"
    assert "x-acs-accesskey-id;" in headers["Authorization"]
    assert ";x-acs-security-token;" in headers["Authorization"]


def test_a_call_may_name_template_and_signature(web):
    answers(web, "SendSms", BizId="B-1")
    aliyun().send(Text(to="+85251234567", template="SMS_2", sign="别的", text="for vendors that send text"))

    assert query(web.calls[0]) == {"PhoneNumbers": "85251234567", "SignName": "别的", "TemplateCode": "SMS_2"}


def test_plain_text_is_left_to_others():
    fault = fault_of(aliyun(), Text(to="13900000000", text="Hello"))

    assert (fault.code, fault.effect) == ("OPERATION_UNSUPPORTED", "NONE")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-shanghai", "dysmsapi.aliyuncs.com"),
        ("cn-beijing", "dysmsapi-proxy.cn-beijing.aliyuncs.com"),
        ("eu-central-1", "dysmsapi.eu-central-1.aliyuncs.com"),
    ],
)
def test_the_region_decides_the_host(web, region, host):
    answers(web, "SendSms", url=f"https://{host}/", BizId="B-1")

    assert aliyun(regionId=region).send(CODE).message_id == "B-1"


@pytest.mark.parametrize(
    ("status", "vendor_code", "code", "effect", "vendor_specific"),
    [
        (200, "isv.AMOUNT_NOT_ENOUGH", "VENDOR_QUOTA_EXHAUSTED", "REJECTED", False),
        (200, "isv.BUSINESS_LIMIT_CONTROL", "VENDOR_RATE_LIMITED", "REJECTED", False),
        (200, "BUSINESS_LIMIT_CONTROL_DAY", "VENDOR_RATE_LIMITED", "REJECTED", False),
        (200, "isv.MOBILE_NUMBER_ILLEGAL", "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (200, "isv.SMS_SIGNATURE_ILLEGAL", "VENDOR_REJECTED_REQUEST", "REJECTED", True),
        (200, "isv.SMS_TEMPLATE_ILLEGAL", "VENDOR_REJECTED_REQUEST", "REJECTED", True),
        (200, "isv.TEMPLATE_MISSING_PARAMETERS", "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (200, "isv.BLACK_KEY_CONTROL_LIMIT", "VENDOR_RECIPIENT_BLOCKED", "REJECTED", False),
        (200, "isp.RAM_PERMISSION_DENY", "VENDOR_PERMISSION_DENIED", "REJECTED", False),
        (200, "isp.SYSTEM_ERROR", "VENDOR_SERVER_ERROR", "UNKNOWN", False),
        (200, "SOMETHING_NEW", "VENDOR_REJECTED_REQUEST", "REJECTED", False),
        (404, "InvalidAccessKeyId.NotFound", "VENDOR_AUTH_REJECTED", "REJECTED", False),
        (400, "SignatureDoesNotMatch", "VENDOR_AUTH_REJECTED", "REJECTED", False),
        (400, "InvalidTimeStamp.Expired", "VENDOR_AUTH_REJECTED", "REJECTED", False),
        (403, "Forbidden.RAM", "VENDOR_PERMISSION_DENIED", "REJECTED", False),
        (400, "Throttling.User", "VENDOR_RATE_LIMITED", "REJECTED", False),
        (400, "SignatureNonceUsed", "VENDOR_UNAVAILABLE", "REJECTED", False),
        (503, "ServiceUnavailable", "VENDOR_UNAVAILABLE", "REJECTED", False),
        (500, "InternalError", "VENDOR_SERVER_ERROR", "UNKNOWN", False),
        (500, "SomethingNew", "VENDOR_SERVER_ERROR", "UNKNOWN", False),
        (400, "SomethingNew", "VENDOR_REJECTED_REQUEST", "REJECTED", False),
    ],
)
def test_what_each_code_means(web, status, vendor_code, code, effect, vendor_specific):
    answers(web, "SendSms", status=status, Code=vendor_code, Message="No.")
    fault = fault_of(aliyun())

    assert (fault.code, fault.effect, fault.vendor_specific) == (code, effect, vendor_specific)
    assert (fault.vendor_code, fault.vendor_message, fault.request_id) == (vendor_code, "No.", "R-1")
    assert "testsecret" not in str(vars(fault))


@pytest.mark.parametrize("body", [b"", b"<html/>", b"[]", b"{}", b'{"Code": 7}', b'{"Code": ["OK"]}'])
def test_an_answer_that_is_none_leaves_the_outcome_unknown(web, body):
    web.post(HOST, body=body)
    fault = fault_of(aliyun())

    assert (fault.code, fault.effect) == ("MALFORMED_RESPONSE", "UNKNOWN")


def test_the_test_looks_up_signature_and_template(web):
    answers(web, "GetSmsSign", SignName="阿里云短信测试", SignStatus=1)
    answers(web, "GetSmsTemplate", TemplateStatus="1")
    stages = list(aliyun().check())

    assert [(stage.name, stage.status) for stage in stages] == [
        ("authentication", "ok"),
        ("sign", "ok"),
        ("template", "ok"),
    ]
    assert [query(call) for call in web.calls] == [
        {"SignName": "阿里云短信测试"},
        {"TemplateCode": "SMS_154950909"},
    ]
    assert verdict(stages) == "verified"


def test_a_signature_that_is_not_approved(web):
    answers(web, "GetSmsSign", SignStatus=0)
    stages = list(islice(aliyun().check(), 2))

    assert (stages[1].status, stages[1].field) == ("failed", "signName")
    assert verdict(stages) == "limited"


def test_a_template_that_does_not_exist(web):
    answers(web, "GetSmsSign", SignStatus=1)
    answers(web, "GetSmsTemplate", Code="isv.SMS_TEMPLATE_ILLEGAL")
    stages = list(aliyun().check())

    assert (stages[2].name, stages[2].status, stages[2].field) == ("template", "failed", "templateCode")
    assert verdict(stages) == "limited"


def test_a_user_that_may_only_send(web):
    answers(web, "GetSmsSign", status=403, Code="Forbidden.RAM")
    answers(web, "GetSmsTemplate", status=403, Code="Forbidden.RAM")
    stages = list(aliyun().check())

    assert [stage.status for stage in stages] == ["ok", "warning", "warning"]
    assert "dysms:GetSmsTemplate" in str(stages[2].remedy)
    assert verdict(stages) == "limited"


@pytest.mark.parametrize(
    ("status", "code"), [(404, "InvalidAccessKeyId.NotFound"), (400, "SignatureDoesNotMatch")]
)
def test_a_wrong_key_is_rejected(web, status, code):
    answers(web, "GetSmsSign", status=status, Code=code)
    with pytest.raises(Fault) as caught:
        list(aliyun().check())

    assert caught.value.code == "VENDOR_AUTH_REJECTED"
    assert caught.value.field in {"accessKeyId", "accessKeySecret"}
