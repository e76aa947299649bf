"""SMTP over the guarded socket: each refusal is judged by the step it answers, each accident by what had left us."""

from __future__ import annotations

import base64
import hmac
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from adapters.kit.errors import Effect, Fault, Refused, Unsupported, Unsure
from adapters.kit.rules import Rules, rule_for
from adapters.kit.text import Message, N_
from adapters.kit.wire import Exchange, Wire

READY, SIGNED_IN, DONE, FORWARDED, CHALLENGE, GO_ON = 220, 235, 250, 251, 334, 354
CLOSING, UNKNOWN_MECHANISM = 421, 504
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that says no to one step: greeting, tls, login, sender, recipient or data."""

    step: str
    reply: int
    text: str

    @classmethod
    def of(cls, step: str, reply: int, text: bytes | str) -> Refusal:
        """Keep the text as the server wrote it, on one line."""
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return cls(step, reply, " ".join(words.split()))

    @property
    def code(self) -> str:
        """Return reply code and, where the server gives one, enhanced status: `550 5.1.1`."""
        enhanced = _ENHANCED.match(self.text)
        return f"{self.reply} {enhanced[0]}" if enhanced else str(self.reply)

    def fault(self, rules: Rules) -> Fault:
        """Judge by rules whose keys begin with the step: `recipient 550 5.7*`."""
        rule = rule_for(rules, f"{self.step} {self.code}")
        fault = rule.fault() if rule else Unsure(N_("The mail server's answer could not be understood."))
        if rule is None:
            fault.code = "MALFORMED_RESPONSE"
        fault.vendor_status, fault.vendor_code, fault.vendor_message = self.reply, self.code, self.text
        return fault


class SmtpSession(smtplib.SMTP):
    """One conversation. Steps raise the fault that the rules name; the wire's phase is `sent` after the last byte."""

    def __init__(self, wire: Wire, host: str, rules: Rules) -> None:
        # Left alone, the parent would ask the resolver for this machine's own name, without any deadline.
        super().__init__(local_hostname="localhost", timeout=wire.remaining())
        self._wire, self._host, self._rules = wire, host, rules
        self._implicit_tls: ssl.SSLContext | None = None
        self.payload = b""
        self.last: tuple[int, bytes] = (0, b"")

    def open(self, port: int, implicit_tls: ssl.SSLContext | None) -> None:
        """Connect and read the greeting."""
        self._implicit_tls = implicit_tls
        code, reply = self.connect(self._host, port)
        self._expect("greeting", code == READY, code, reply)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - the wire times
        """Connect through the wire, so that only checked addresses are reached."""
        connection = self._wire.connect(host, port, tls=self._implicit_tls)
        address = connection.getsockname()[0]
        self.local_hostname = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        return connection

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply and remember it."""
        self.last = super().getreply()
        return self.last

    def greet(self) -> None:
        """Say EHLO, or HELO to a server that knows no extensions."""
        code, reply = self.ehlo()
        if code != DONE:
            code, reply = self.helo()
        self._expect("greeting", code == DONE, code, reply)

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Begin TLS and greet again; a server that cannot is a failure, never a reason to go on in the clear."""
        self._expect("tls", self.has_extn("starttls"), 502, "STARTTLS is not offered")
        code, reply = self.docmd("STARTTLS")
        self._expect("tls", code == READY, code, reply)
        assert self.sock is not None
        self.sock = self._wire.secure(self.sock, context, self._host)
        # What was read in the clear may have been put there by somebody else.
        self.file = None
        self.esmtp_features = {}
        self.greet()

    def sign_in(self, username: str, password: str) -> None:
        """Authenticate by the first mechanism both sides know; a wrong password is not tried in another way."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        self._expect("login", bool(offered), 503, "AUTH is not offered")
        code, reply = 504, b"no common mechanism"
        for mechanism in (name for name in MECHANISMS if name in offered):
            code, reply = self._authenticate(mechanism, username.encode(), password.encode())
            if code != UNKNOWN_MECHANISM:
                break
        self._expect("login", code == SIGNED_IN, code, reply)

    def _authenticate(self, mechanism: str, username: bytes, password: bytes) -> tuple[int, bytes]:
        if mechanism == "PLAIN":
            return self.docmd("AUTH PLAIN", _base64(b"\0" + username + b"\0" + password))
        code, reply = self.docmd("AUTH", mechanism)
        if mechanism == "CRAM-MD5" and code == CHALLENGE:
            digest = hmac.new(password, base64.b64decode(reply), "md5").hexdigest().encode()
            return self.docmd(_base64(username + b" " + digest))
        for word in (username, password):
            if code == CHALLENGE:
                code, reply = self.docmd(_base64(word))
        return code, reply

    def begin(self, sender: str, size: int = 0, *, utf8: bool = False) -> None:
        """Name the sender, having refused what the server already said it cannot take; `size` is in bytes."""
        announced = self.esmtp_features.get("size", "").strip()
        limit = int(announced) if announced.isdigit() else 0
        if limit and size > limit:
            text = N_("The mail has %(size)s bytes, the mail server takes %(limit)s.")
            raise Refused(Message.of(text, size=size, limit=limit))
        if utf8 and not self.has_extn("smtputf8"):
            raise Unsupported(N_("The mail server takes only addresses in ASCII."))
        options = [f"SIZE={size}"] if size and self.has_extn("size") else []
        code, reply = self.mail(sender, options + (["SMTPUTF8"] if utf8 else []))
        self._expect("sender", code == DONE, code, reply)

    def address(self, recipients: Sequence[str], options: Sequence[str] = ()) -> dict[str, Refusal]:
        """Name the recipients; return those refused, raise when all are or the server says goodbye."""
        refused: dict[str, Refusal] = {}
        for recipient in recipients:
            code, reply = self.rcpt(recipient, list(options))
            if code in {DONE, FORWARDED}:
                continue
            refused[recipient] = Refusal.of("recipient", code, reply)
            self._expect("recipient", code != CLOSING, code, reply)
        if len(refused) == len(recipients):
            raise next(iter(refused.values())).fault(self._rules)
        return refused

    def hand_over(self, payload: bytes) -> None:
        """Send the message; from its last byte on nobody can say without an answer whether it was taken."""
        self.payload = payload
        self.putcmd("data")
        code, reply = self.getreply()
        self._expect("data", code == GO_ON, code, reply)
        lines = payload if payload.endswith(b"\r\n") else payload + b"\r\n"
        self.send(re.sub(rb"(?m)^\.", b"..", lines) + b".\r\n")
        self._wire.phase = "sent"
        code, reply = self.getreply()
        self._expect("data", code == DONE, code, reply)
        self._wire.phase = "done"

    def _expect(self, step: str, good: bool, code: int, reply: bytes | str) -> None:
        if good:
            return
        fault = Refusal.of(step, code, reply).fault(self._rules)
        if fault.code == "MALFORMED_RESPONSE" and self._wire.phase != "sent":
            fault.effect = Effect.NONE
        raise fault


@contextmanager
def conversation(
    wire: Wire, host: str, port: int, *, context: ssl.SSLContext, security: str, rules: Rules
) -> Iterator[SmtpSession]:
    """Open a conversation, greeted and (unless `security` is none) encrypted; record it at the end."""
    session = SmtpSession(wire, host, rules)
    started = wire.clock.monotonic()
    try:
        session.open(port, context if security == "tls" else None)
        session.greet()
        if security == "starttls":
            session.encrypt(context)
        yield session
        answer = session.last
        with suppress(OSError):
            session.quit()
        session.last = answer
    except OSError as problem:
        raise wire.fault(problem) from problem
    finally:
        session.close()
        wire.exchanges.append(_exchange(session, wire, f"smtp://{host}:{port}", started))
        wire.close()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _exchange(session: SmtpSession, wire: Wire, url: str, started: float) -> Exchange:
    code, text = session.last
    return Exchange(
        method="SMTP",
        url=url,
        request_headers={},
        request_body=session.payload,
        status=code if code > 0 else None,
        response_headers={},
        response_body=text,
        duration_ms=round((wire.clock.monotonic() - started) * 1000),
        phase=wire.phase,
    )
