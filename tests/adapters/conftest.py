"""A mail server with STARTTLS and AUTH on a free port of this machine, which misbehaves where a test asks for it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from tests.kit.faulty import certificate

USERNAME, PASSWORD = "mailer@example.com", "correct horse battery"


@dataclass
class Mailbox:
    """Takes what the server is given, and misbehaves where a test asks for it."""

    mails: list = field(default_factory=list)
    unknown: set = field(default_factory=set)
    hang_up_at: str = ""
    answer_data: str = "250 2.0.0 queued as 42"
    answer_sender: str = "250 OK"
    logins: list = field(default_factory=list)

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == (USERNAME, PASSWORD), handled=False)

    async def handle_MAIL(self, _server, _session, envelope, address, _options):  # noqa: N802
        if self.answer_sender.startswith("250"):
            envelope.mail_from = address
        return self.answer_sender

    async def handle_RCPT(self, server, _session, envelope, address, _options):  # noqa: N802
        if self.hang_up_at == "recipient":
            server.transport.abort()
        if address in self.unknown:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        if self.hang_up_at == "data":
            server.transport.abort()
        if self.answer_data.startswith("250"):
            self.mails.append(envelope)
        return self.answer_data


class MailServer(Controller):
    """One server; ``implicit`` speaks TLS from the first byte."""

    def __init__(self, mailbox, *, tls=None, implicit=False, **options):
        self.mailbox, self.options = mailbox, options | {"tls_context": None if implicit else tls}
        super().__init__(mailbox, hostname="127.0.0.1", port=0, ssl_context=tls if implicit else None)

    def factory(self):
        return SMTP(self.handler, hostname="mail.test", **self.options)

    def _trigger_server(self):
        """Read which port was free, and connect once: the parent waits for the first connection."""
        self.port = self.server.sockets[0].getsockname()[1]
        socket.create_connection((self.hostname, self.port)).close()


@pytest.fixture(scope="session")
def localhost_certificate(tmp_path_factory):
    """A server's TLS context and, as PEM text, the certificate that vouches for it."""
    return certificate(tmp_path_factory.mktemp("certificate"), "localhost")


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def mail_server(mailbox, localhost_certificate):
    """Start servers: `mail_server(implicit=True, tls=…, auth=False)` and options of aiosmtpd's SMTP class."""
    running = []

    def start(*, implicit=False, tls=localhost_certificate[0], auth=True, **options):
        if auth:
            # aiosmtpd does not see the encryption that surrounds it, and warns of AUTH without.
            options |= {
                "authenticator": mailbox.authenticate,
                "auth_require_tls": tls is not None and not implicit,
            }
        server = MailServer(mailbox, tls=tls, implicit=implicit, **options)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
