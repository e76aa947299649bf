"""Calls through real peers: mail servers that speak SMTP, and an HTTP API."""

from __future__ import annotations

from itertools import count

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from tests.engine.conftest import MAIL
from tests.engine.vendor import HANG, RESET, answer, closed_port
from webapp.engine import PatchbayError
from webapp.log.filters import LogFilter
from webapp.registry import services


class Inbox(MessageHandler):
    """Keeps the mails a server took; refuses recipients called nobody."""

    def __init__(self):
        super().__init__()
        self.mails = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message):
        self.mails.append(message)


@pytest.fixture
def smtp_server():
    """Starts mail servers on free ports."""
    running = []

    def start():
        controller = Controller(Inbox(), hostname="127.0.0.1", port=closed_port(), ready_timeout=20)
        controller.start()
        running.append(controller)
        return controller.handler, controller.port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def create(runtime):
    numbers = count(1)

    def make(service_type, **configurations):
        with runtime.sessions() as session:
            made = services.create(
                session, runtime, name=f"{service_type} {next(numbers)}", service_type=service_type,
                configurations=configurations, actor="test", origin="cli", is_enabled=True,
            )  # fmt: skip
            session.commit()
            return made.service_id

    return make


def smtp(create, port):
    return create(
        "EMAIL_PROVIDER_SMTP",
        host="127.0.0.1",
        port=port,
        security="none",
        from_address="no-reply@example.com",
    )


def test_the_backup_mail_server_gets_the_mail_once(runtime, create, smtp_server):
    inbox, port = smtp_server()
    other, other_port = smtp_server()
    names = [smtp(create, closed_port()), smtp(create, port), smtp(create, other_port)]

    result = runtime.hub.call("email.send", MAIL, prefer=names)

    assert (result.service_id, result.attempts) == (names[1], 4)
    assert [mail["Subject"] for mail in inbox.mails] == ["Welcome!"]
    assert other.mails == []
    call = runtime.log.call(result.call_id)
    assert [attempt.code for attempt in call.attempts] == ["CONNECT_REFUSED"] * 3 + [None]
    assert [candidate["status"] for candidate in call.candidates] == ["failed", "succeeded", "not_needed"]
    assert str(port) in call.attempts[-1].request_endpoint


def test_one_refused_recipient_of_three_is_told(runtime, create, smtp_server):
    inbox, port = smtp_server()
    everyone = ["lin@example.com", "nobody@example.com", "wei@example.com"]

    result = runtime.hub.call("email.send", {**MAIL, "to": everyone}, prefer=smtp(create, port))

    assert [refused["address"] for refused in result.result["refused"]] == ["nobody@example.com"]
    assert len(inbox.mails) == 1


def http(create, url):
    return create("HTTP_PROVIDER_GENERIC", base_url=url)


@pytest.mark.parametrize("does", [RESET, HANG, answer(500), answer(503)])
def test_a_read_goes_on_elsewhere_whatever_happened(runtime, vendor, create, does):
    unsure, good = vendor(does), vendor(answer(200, {"items": []}))
    names = [http(create, unsure.url), http(create, good.url)]
    with runtime.sessions() as session:
        services.find(session, names[0]).default_timeout_ms = 1000
        session.commit()

    result = runtime.hub.call("http.request", {"method": "GET", "path": "/items"}, prefer=names)

    assert (result.service_id, result.result["json"]) == (names[1], {"items": []})


def test_a_read_that_fails_everywhere_failed_and_is_not_unknown(runtime, vendor, create):
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("http.request", {"path": "/items"}, prefer=http(create, vendor(RESET).url))

    assert caught.value.code == "CONNECTION_LOST"
    assert runtime.log.call(caught.value.call_id).outcome == "failed"


@pytest.mark.parametrize(
    ("params", "outcome"),
    [
        ({"method": "POST", "path": "/x", "json": {}}, "unknown"),
        ({"method": "PUT", "path": "/x", "json": {}}, "unknown"),
        ({"method": "POST", "path": "/x", "json": {}, "safety": "READ"}, "failed"),
    ],
)
def test_the_safety_of_a_request_decides(runtime, vendor, create, params, outcome):
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("http.request", params, prefer=http(create, vendor(answer(500)).url))

    assert runtime.log.call(caught.value.call_id).outcome == outcome


def test_a_result_on_record_holds_no_token(runtime, vendor, create):
    mint = vendor(answer(200, {"access_token": "very-secret-token", "expires_in": 3600}))

    result = runtime.hub.call("http.request", {"path": "/token"}, prefer=http(create, mint.url))

    assert result.result["json"]["access_token"] == "very-secret-token"
    (entry,) = runtime.log.search(LogFilter(call_id=result.call_id)).items
    assert "very-secret-token" not in repr(
        (runtime.log.call(result.call_id), runtime.log.bodies(entry.log_id))
    )
    assert runtime.log.call(result.call_id).result["json"]["expires_in"] == 3600
