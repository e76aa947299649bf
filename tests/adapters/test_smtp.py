"""Mail through a real server: what arrives, what is refused, and what is known when the line breaks."""

from __future__ import annotations

import base64
import email
from email.policy import default

import pytest

from adapters.email import Mail, Refusal
from adapters.email.smtp import Smtp
from adapters.kit import (
    EgressPolicy,
    Fault,
    FixedClock,
    SettingsInvalid,
    SystemClock,
    Wire,
    run_check,
    verdict,
)
from tests.adapters.conftest import PASSWORD, USERNAME
from tests.kit.faulty import FaultyServer, certificate, closed_port

LOOPBACK = EgressPolicy.parse("127.0.0.0/8 ::1/128")
HELLO = Mail(to=("lin@example.com",), subject="Welcome!", text="Hello…")


@pytest.fixture
def smtp(localhost_certificate):
    """Make an adapter for a server (or a port), with settings of one's own on top of the usual ones."""

    def make(server, *, check=False, key="call-1", **settings):
        usual = {
            "host": "localhost",
            "port": getattr(server, "port", server),
            "username": USERNAME,
            "password": PASSWORD,
            "from_address": "no-reply@example.com",
            "ca_bundle": localhost_certificate[1],
        }
        config = Smtp.Config.parse(usual | settings)
        if check:
            return Smtp(config, Wire.for_check(LOOPBACK, timeout_s=5))
        return Smtp(config, Wire.for_call(LOOPBACK, attempt_timeout_s=5, idempotency_key=key))

    return make


def stages(adapter):
    return {stage.name: stage for stage in run_check(adapter)}


def fault_of(adapter, mail=HELLO):
    with pytest.raises(Fault) as caught:
        adapter.send(mail)
    return caught.value


def received(mailbox):
    (envelope,) = mailbox.mails
    return email.message_from_bytes(envelope.content, policy=default)


def test_a_mail_arrives_over_starttls(smtp, mail_server, mailbox):
    mail = Mail(
        to=("lin@example.com", "bo@example.com"),
        cc=("cc@example.com",),
        bcc=("hidden@example.com",),
        reply_to="help@example.com",
        subject="欢迎 Welcome",
        text="Hello\n.a line that begins with a dot\n",
        html="<p>你好</p>",
        headers={"X-Campaign": "spring"},
        tags=("welcome", "new"),
        attachments=(
            {
                "filename": "价格.csv",
                "content_type": "text/csv",
                "content_base64": base64.b64encode(b"a;b\n").decode(),
            },
        ),
    )
    adapter = smtp(mail_server(), from_name="Büro Müller")
    receipt = adapter.send(Smtp.operations()["email.send"].parse(mail))
    message = received(mailbox)

    assert mailbox.logins == [(USERNAME, PASSWORD)]
    assert mailbox.mails[0].rcpt_tos == [
        "lin@example.com",
        "bo@example.com",
        "cc@example.com",
        "hidden@example.com",
    ]
    assert mailbox.mails[0].mail_from == "no-reply@example.com"
    assert message["From"] == "Büro Müller <no-reply@example.com>"
    assert (message["To"], message["Cc"], message["Bcc"]) == (
        "lin@example.com, bo@example.com",
        "cc@example.com",
        None,
    )
    assert (message["Subject"], message["Reply-To"]) == ("欢迎 Welcome", "help@example.com")
    assert (message["X-Campaign"], message["X-Tags"]) == ("spring", "welcome, new")
    assert message["Message-ID"] == receipt.message_id
    assert message["Date"]
    assert message.get_body(("plain",)).get_content() == "Hello\r\n.a line that begins with a dot\r\n"
    assert message.get_body(("html",)).get_content() == "<p>你好</p>\r\n"
    assert [(part.get_filename(), part.get_content()) for part in message.iter_attachments()] == [
        ("价格.csv", "a;b\n")
    ]
    assert receipt.refused == ()


def test_a_mail_arrives_over_tls_from_the_first_byte(smtp, mail_server, mailbox):
    smtp(mail_server(implicit=True), security="tls").send(HELLO)

    assert received(mailbox)["Subject"] == "Welcome!"


def test_the_conversation_is_recorded(smtp, mail_server):
    adapter = smtp(mail_server())
    adapter.send(HELLO)
    (exchange,) = adapter.wire.exchanges

    assert (exchange.method, exchange.url, exchange.status) == (
        "SMTP",
        f"smtp://localhost:{adapter.config.port}",
        250,
    )
    assert (exchange.response_body, exchange.phase) == (b"2.0.0 queued as 42", "done")
    assert b"Subject: Welcome!" in exchange.request_body


def test_the_same_call_has_the_same_message_id(smtp, mail_server):
    server = mail_server()
    first, again, other = (smtp(server, key=key).send(HELLO).message_id for key in ("a", "a", "b"))

    assert first == again != other
    assert first.endswith("@example.com>")


def test_a_test_proves_encryption_sign_in_and_sender_and_sends_nothing(smtp, mail_server, mailbox):
    found = stages(smtp(mail_server(), check=True))

    assert [(stage.name, stage.status) for stage in found.values()] == [
        (name, "ok") for name in ("settings", "dns", "tcp", "tls", "authentication", "sender")
    ]
    assert "90 more days" in str(found["tls"].message)
    assert verdict(found.values()) == "verified"
    assert mailbox.mails == []


def test_a_test_over_implicit_tls_sees_the_certificate_too(smtp, mail_server):
    found = stages(smtp(mail_server(implicit=True), security="tls", check=True))

    assert verdict(found.values()) == "verified"
    assert "more days" in str(found["tls"].message)


def test_a_wrong_password_is_told_with_its_remedy(smtp, mail_server):
    found = stages(smtp(mail_server(), password="wrong", check=True))

    assert verdict(found.values()) == "rejected"
    assert (found["authentication"].code, found["authentication"].field) == (
        "VENDOR_AUTH_REJECTED",
        "password",
    )
    assert "app password" in str(found["authentication"].remedy)


def test_a_wrong_password_stops_a_call_before_anything_is_sent(smtp, mail_server, mailbox):
    fault = fault_of(smtp(mail_server(), password="wrong"))

    assert (fault.code, fault.effect, fault.vendor_code) == ("VENDOR_AUTH_REJECTED", "REJECTED", "535 5.7.8")
    assert mailbox.mails == []


@pytest.mark.parametrize("excluded", [(), ("PLAIN",)])
def test_a_wrong_password_is_tried_once(smtp, mail_server, mailbox, excluded):
    fault_of(smtp(mail_server(auth_exclude_mechanism=excluded), password="gehéim"))

    assert mailbox.logins == [(USERNAME, "gehéim")]


def test_the_older_mechanism_works_too(smtp, mail_server, mailbox):
    smtp(mail_server(auth_exclude_mechanism=("PLAIN",))).send(HELLO)

    assert mailbox.logins == [(USERNAME, PASSWORD)]


def test_a_closed_port(smtp):
    found = stages(smtp(closed_port(), check=True))

    assert (found["tcp"].status, found["tcp"].code) == ("failed", "CONNECT_REFUSED")
    assert (fault := fault_of(smtp(closed_port()))).code == "CONNECT_REFUSED"
    assert fault.effect == "NONE"


@pytest.mark.parametrize("implicit", [False, True])
def test_a_bad_certificate(smtp, mail_server, tmp_path, implicit, mailbox):
    own, _ = certificate(tmp_path, "localhost")
    server = mail_server(tls=own, implicit=implicit)
    security = "tls" if implicit else "starttls"
    found = stages(smtp(server, security=security, check=True))
    fault = fault_of(smtp(server, security=security))

    assert (found["tls"].status, found["tls"].code) == ("failed", "TLS_CERT_INVALID")
    assert (fault.code, fault.effect) == ("TLS_CERT_INVALID", "NONE")
    assert mailbox.logins == []


def test_a_certificate_of_another_name(smtp, mail_server, tmp_path):
    other, pem = certificate(tmp_path, "elsewhere.example.com")

    assert fault_of(smtp(mail_server(tls=other), ca_bundle=pem)).code == "TLS_CERT_INVALID"


def test_a_server_without_starttls_gets_no_password(smtp, mail_server, mailbox):
    server = mail_server(tls=None, auth=False)
    found = stages(smtp(server, check=True))

    assert (found["tls"].status, found["tls"].field) == ("failed", "security")
    assert "465" in str(found["tls"].remedy)
    assert fault_of(smtp(server)).code == "TLS_HANDSHAKE_FAILED"
    assert mailbox.logins == []


def test_a_server_that_refuses_auth(smtp, mail_server):
    found = stages(smtp(mail_server(auth_exclude_mechanism=("PLAIN", "LOGIN")), check=True))

    assert verdict(found.values()) == "rejected"
    assert "587" in str(found["authentication"].remedy)


def test_a_server_that_wants_auth_from_a_sender_without_it(smtp, mail_server):
    server = mail_server(auth_required=True)
    adapter = smtp(server, check=True, username="", password=None)
    found = stages(adapter)

    assert verdict(found.values()) == "rejected"
    assert found["authentication"].field == "username"
    assert fault_of(smtp(server, username="", password=None)).code == "VENDOR_AUTH_REJECTED"


def test_a_relay_without_sign_in(smtp, mail_server, mailbox):
    server = mail_server(tls=None, auth=False)
    plain = {"security": "none", "username": "", "password": None}
    found = stages(smtp(server, check=True, **plain))
    smtp(server, **plain).send(HELLO)

    assert found["tls"].status == "warning"
    assert verdict(found.values()) == "verified"
    assert received(mailbox)["Subject"] == "Welcome!"


def test_a_sender_that_is_not_accepted(smtp, mail_server, mailbox):
    mailbox.answer_sender = "553 5.7.1 not yours"
    server = mail_server()
    found = stages(smtp(server, check=True))
    fault = fault_of(smtp(server))

    assert (found["authentication"].status, found["sender"].status) == ("ok", "failed")
    assert found["sender"].field == "from_address"
    assert verdict(found.values()) == "limited"
    assert (fault.code, fault.vendor_message) == ("VENDOR_PERMISSION_DENIED", "5.7.1 not yours")


def test_one_of_three_recipients_refused_is_a_success_that_says_so(smtp, mail_server, mailbox):
    mailbox.unknown = {"nobody@example.com"}
    mail = Mail(to=("lin@example.com", "nobody@example.com", "bo@example.com"), subject="s", text="t")
    receipt = smtp(mail_server()).send(mail)

    assert receipt.refused == (Refusal("nobody@example.com", "550 5.1.1", "5.1.1 no such user here"),)
    assert mailbox.mails[0].rcpt_tos == ["lin@example.com", "bo@example.com"]


def test_all_recipients_refused_is_a_failure(smtp, mail_server, mailbox):
    mailbox.unknown = {"lin@example.com"}
    fault = fault_of(smtp(mail_server()))

    assert (fault.code, fault.effect, fault.vendor_code) == (
        "VENDOR_REJECTED_REQUEST",
        "REJECTED",
        "550 5.1.1",
    )
    assert mailbox.mails == []


def test_a_mail_larger_than_announced_is_not_even_offered(smtp, mail_server, mailbox):
    mail = Mail(to=("lin@example.com",), subject="s", text="long\n" * 1000)
    fault = fault_of(smtp(mail_server(data_size_limit=1000)), mail)

    assert (fault.code, fault.effect) == ("VENDOR_REJECTED_REQUEST", "REJECTED")
    assert "1000" in str(fault.message)
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("answer", "code", "vendor_specific"),
    [
        ("552 5.3.4 too big", "VENDOR_REJECTED_REQUEST", False),
        ("554 5.7.1 looks like spam", "VENDOR_REJECTED_REQUEST", True),
        ("451 4.3.0 try later", "VENDOR_UNAVAILABLE", False),
        ("421 4.7.0 going down", "VENDOR_UNAVAILABLE", False),
    ],
)
def test_an_answer_after_the_message_is_a_certain_no(smtp, mail_server, answer, code, vendor_specific):
    server = mail_server()
    server.mailbox.answer_data = answer
    fault = fault_of(smtp(server))

    assert (fault.code, fault.effect, fault.vendor_specific) == (code, "REJECTED", vendor_specific)


def test_a_line_that_breaks_before_the_message_leaves_no_doubt(smtp, mail_server, mailbox):
    mailbox.hang_up_at = "recipient"
    fault = fault_of(smtp(mail_server()))

    assert (fault.code, fault.effect) == ("CONNECTION_LOST", "NONE")


def test_a_line_that_breaks_after_the_message_leaves_the_outcome_unknown(smtp, mail_server, mailbox):
    mailbox.hang_up_at = "data"
    fault = fault_of(smtp(mail_server()))

    assert (fault.code, fault.effect) == ("CONNECTION_LOST", "UNKNOWN")
    assert len(mailbox.mails) == 1


def test_a_server_that_never_answers_the_message(smtp):
    def silent(peer):
        peer.say(b"220 hello\r\n")
        answers = iter([b"250 mail.test\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"])
        for answer in answers:
            peer.sock.recv(1000)
            peer.say(answer)
        peer.hang()

    with FaultyServer(silent) as server:
        adapter = smtp(server, security="none", username="", password=None)
        adapter.wire = Wire.for_call(LOOPBACK, attempt_timeout_s=0.5)
        fault = fault_of(adapter)

    assert (fault.code, fault.effect) == ("READ_TIMEOUT", "UNKNOWN")


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"554 go away\r\n", b"421 busy\r\n"]
)
def test_a_server_that_does_not_want_to_talk(smtp, greeting):
    with FaultyServer(lambda peer: peer.say(greeting)) as server:
        fault = fault_of(smtp(server))

    assert fault.effect in {"NONE", "REJECTED"}


def test_an_address_outside_ascii_needs_a_server_that_takes_it(smtp, mail_server, mailbox):
    mail = Mail(to=("用户@example.com",), subject="s", text="t")
    fault = fault_of(smtp(mail_server()), mail)
    smtp(mail_server(enable_SMTPUTF8=True)).send(mail)

    assert (fault.code, fault.effect) == ("OPERATION_UNSUPPORTED", "NONE")
    assert mailbox.mails[0].rcpt_tos == ["用户@example.com"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"host": "smtp.example.com", "security": "none"}, "security"),
        ({"host": "not a host"}, "host"),
        ({"host": "0x7f.1"}, "host"),
        ({"port": 0}, "port"),
        ({"port": "many"}, "port"),
        ({"security": "ssl"}, "security"),
        ({"password": None}, "password"),
        ({"username": ""}, "username"),
        ({"from_address": "nobody"}, "from_address"),
        ({"from_name": "a\r\nBcc: evil@example.com"}, "from_name"),
        ({"ca_bundle": "not PEM"}, "ca_bundle"),
    ],
)
def test_settings_that_cannot_work_are_named(smtp, settings, field):
    with pytest.raises(SettingsInvalid) as caught:
        smtp(587, **settings)

    assert [error.field for error in caught.value.errors] == [field]


def test_the_date_is_ours(smtp, mail_server, mailbox):
    adapter = smtp(mail_server())
    adapter.wire.clock = type("Clock", (SystemClock,), {"now": FixedClock().now})()
    adapter.send(HELLO)

    assert received(mailbox)["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"
