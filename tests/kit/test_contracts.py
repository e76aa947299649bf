"""Parameters of the operations: what is accepted, and where and why something is not."""

import pytest

from adapters.email import Email, Mail, Receipt, Refusal
from adapters.http import HttpService, Request
from adapters.kit import ParamsInvalid
from adapters.sms import Sms

SEND = Email.operations()["email.send"]
TEXT = Sms.operations()["sms.send"]
REQUEST = HttpService.operations()["http.request"]
MAIL = {"to": "lin@example.com", "subject": "Hi", "text": "Hello"}
FILE = {"filename": "a.txt", "content_base64": "aGk="}


def test_one_recipient_may_stand_alone_or_in_a_list():
    assert SEND.parse(MAIL).to == ("lin@example.com",)
    assert SEND.parse(MAIL | {"to": ["a@example.com", "b@例子.中国"]}).to == ("a@example.com", "b@例子.中国")


def test_everyone_gets_one_mail():
    mail = SEND.parse(MAIL | {"cc": "b@example.com", "bcc": ["lin@example.com", "c@example.com"]})

    assert mail.recipients == ("lin@example.com", "b@example.com", "c@example.com")


def test_an_instance_is_checked_like_members():
    mail = Mail(to=("lin@example.com",), subject="Hi", text="x")

    assert SEND.parse(mail) == mail
    with pytest.raises(ParamsInvalid):
        SEND.parse(Mail(to=("nobody",), subject="Hi", text="x"))


def test_an_attachment_knows_its_bytes():
    mail = SEND.parse(MAIL | {"attachments": [FILE]})

    assert mail.attachments[0].content == b"hi"
    assert SEND.parse(mail) == mail


def test_results_and_parameters_become_json():
    receipt = Receipt("m-1", (Refusal("a@example.com", "550", "no such user"),))

    assert SEND.dump(receipt) == {
        "message_id": "m-1",
        "refused": [{"address": "a@example.com", "code": "550", "message": "no such user"}],
    }
    assert SEND.dump(SEND.parse(MAIL))["to"] == ["lin@example.com"]


@pytest.mark.parametrize(
    ("operation", "params", "pointer", "code"),
    [
        (SEND, {"subject": "Hi", "text": "x"}, "/to", "missing"),
        (SEND, MAIL | {"to": []}, "/to", "missing"),
        (SEND, MAIL | {"to": ["lin@example.com", "nobody"]}, "/to/1", "invalid"),
        (SEND, MAIL | {"to": "lin@example.com\r\nBcc: x@example.com"}, "/to/0", "invalid"),
        (SEND, MAIL | {"to": "Lin <lin@example.com>"}, "/to/0", "invalid"),
        (SEND, MAIL | {"to": ["a@example.com"] * 101}, "/to", "too_long"),
        (SEND, MAIL | {"to": 5}, "/to", "type"),
        (SEND, MAIL | {"subject": "Hi\r\nBcc: x@example.com"}, "/subject", "invalid"),
        (SEND, MAIL | {"subject": "x" * 999}, "/subject", "too_long"),
        (SEND, MAIL | {"text": ""}, "/text", "missing"),
        (SEND, MAIL | {"reply_to": "x"}, "/reply_to", "invalid"),
        (SEND, MAIL | {"headers": {"X-A": "1\n2"}}, "/headers/X-A", "invalid"),
        (SEND, MAIL | {"headers": {"X A": "1"}}, "/headers/X A", "invalid"),
        (SEND, MAIL | {"headers": {"Bcc": "x@example.com"}}, "/headers/Bcc", "invalid"),
        (SEND, MAIL | {"attachments": [FILE | {"content_base64": "?"}]}, "/attachments/0/content_base64", "invalid"),
        (SEND, MAIL | {"attachments": [FILE | {"filename": "a\nb"}]}, "/attachments/0/filename", "invalid"),
        (SEND, MAIL | {"attachments": [FILE | {"content_type": "text"}]}, "/attachments/0/content_type", "invalid"),
        (SEND, MAIL | {"attachments": [FILE | {"path": "/etc"}]}, "/attachments/0/path", "unknown"),
        (SEND, MAIL | {"from": "x@example.com"}, "/from", "unknown"),
        (SEND, [], "", "type"),
        (TEXT, {"text": "x"}, "/to", "missing"),
        (TEXT, {"to": "+1 555", "text": "x"}, "/to", "pattern"),
        (TEXT, {"to": "13800138000", "template_params": {"code": 1}}, "/template_params/code", "type"),
        (TEXT, {"to": "13800138000", "sign": "a\nb"}, "/sign", "invalid"),
        (REQUEST, {"method": "TRACE"}, "/method", "choice"),
        (REQUEST, {"path": "//evil.example/"}, "/path", "invalid"),
        (REQUEST, {"path": "https://evil.example/"}, "/path", "invalid"),
        (REQUEST, {"path": "/a/../../b"}, "/path", "invalid"),
        (REQUEST, {"path": "/a/%2e%2E/b"}, "/path", "invalid"),
        (REQUEST, {"path": "/a?b=c"}, "/path", "invalid"),
        (REQUEST, {"path": "/a\r\nHost: x"}, "/path", "invalid"),
        (REQUEST, {"headers": {"Host": "evil.example"}}, "/headers/Host", "invalid"),
        (REQUEST, {"headers": {"Transfer-Encoding": "chunked"}}, "/headers/Transfer-Encoding", "invalid"),
        (REQUEST, {"json": {}, "form": {}}, "/form", "invalid"),
        (REQUEST, {"safety": "SURE"}, "/safety", "choice"),
    ],
)  # fmt: skip
def test_bad_parameters_are_pointed_at(operation, params, pointer, code):
    with pytest.raises(ParamsInvalid) as caught:
        operation.parse(params)

    (error,) = caught.value.errors
    assert (error.pointer, error.code) == (pointer, code)
    assert error.to_dict()["message"].endswith(".")


@pytest.mark.parametrize(
    ("params", "words"),
    [({"subject": "x" * 999}, "998 characters"), ({"to": ["a@example.com"] * 101}, "100 entries")],
)
def test_texts_are_counted_in_characters_and_lists_in_entries(params, words):
    with pytest.raises(ParamsInvalid) as caught:
        SEND.parse(MAIL | params)

    assert words in str(caught.value.errors[0].message)


def test_schemas_describe_input_and_result():
    schema = SEND.params_schema()

    assert schema["required"] == ["to", "subject"]
    assert schema["additionalProperties"] is False
    assert {choice["type"] for choice in schema["properties"]["to"]["anyOf"]} == {"string", "array"}
    assert SEND.result_schema()["properties"]["message_id"] == {"title": "Message Id", "type": "string"}


def test_a_request_carries_json_form_or_bytes():
    assert REQUEST.parse({"json": [1, {"a": None}]}).json == [1, {"a": None}]
    assert REQUEST.parse({"form": {"a": ["1", "2"]}}).form == {"a": ["1", "2"]}
    assert REQUEST.parse({"body_base64": "aGk=", "safety": "READ"}).body == b"hi"
    assert REQUEST.parse({}) == Request()
