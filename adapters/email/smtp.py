"""Any mail server that speaks SMTP, over STARTTLS or TLS."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from email.headerregistry import Address
from typing import Literal, Self

from pydantic import SecretStr, model_validator

from adapters.email import Email, Mail, Receipt, Refusal
from adapters.email.mime import needs_utf8, to_mime
from adapters.kit import (
    Endpoint,
    Forbidden,
    Message,
    Misconfigured,
    Settings,
    Stage,
    Unreachable,
    Wrong,
    certificate_stage,
    N_,
    secret,
    setting,
    tls_context,
)
from adapters.kit.smtp import SmtpSession, conversation
from adapters.kit.smtp_faults import SMTP_FAULTS
from adapters.kit.url import canonical_host, ip_literal

SECURITIES = {"starttls": N_("STARTTLS"), "tls": N_("TLS"), "none": N_("None")}
OWN_CA = N_("PEM text, only when the server's certificate comes from your own authority.")
SIGNED_IN = N_("The mail server accepts user name and password.")
PORTS = N_("Try port 587 with STARTTLS, or port 465 with TLS.")
# By the setting to fix, or by the code where no setting is known to be wrong.
REMEDIES = {
    "username": N_("Enter user name and password, or ask whoever runs the server."),
    "password": N_("Check both; Gmail, Outlook, QQ Mail, 163 and others want an app password."),
    **dict.fromkeys(("port", "security", "READ_TIMEOUT", "CONNECTION_LOST"), PORTS),
}


class Smtp(
    Email,
    service_type="EMAIL_PROVIDER_SMTP",
    label="SMTP",
    docs="docs/adapters/smtp.md",
    summary=N_("Sends through any mail server: its address, and a user name and password."),
):
    """One message to all recipients in one conversation; nothing protects against sending twice."""

    ports = frozenset({25, 465, 587, 2525})

    class Config(Settings):
        """Where the server is and who we are to it."""

        host: str = setting(N_("Host"), group="endpoint", destination=True, max_length=253)
        port: int = setting(N_("Port"), default=587, group="endpoint", destination=True, ge=1, le=65_535)
        security: Literal["starttls", "tls", "none"] = setting(
            N_("Encryption"), default="starttls", group="endpoint", destination=True, choices=SECURITIES
        )
        username: str = setting(N_("User name"), default="", group="credentials", max_length=320)
        password: SecretStr | None = secret(N_("Password"), default=None, hint=N_("Often an app password."))
        from_address: str = setting(N_("From address"), kind="email")
        from_name: str = setting(N_("From name"), default="", max_length=200)
        ca_bundle: str = setting(
            N_("Authority"), default="", group="advanced", multiline=True, destination=True, hint=OWN_CA
        )

        @model_validator(mode="after")
        def _complete(self) -> Self:
            if bool(self.username) != bool(self.password):
                field = "password" if self.username else "username"
                raise Wrong(N_("User name and password belong together."), field=field, code="missing")
            literal = ip_literal(self.host)
            local = self.host == "localhost" or bool(literal and literal.is_loopback)
            if self.password and self.security == "none" and not local:
                raise Wrong(N_("A password is not sent without encryption."), field="security")
            try:
                canonical_host(self.host)
                tls_context(self.ca_bundle or None)
            except ValueError:
                raise Wrong(N_("This is not a host name."), field="host") from None
            except Misconfigured as fault:
                raise Wrong(fault.message, field="ca_bundle") from None
            return self

    config: Config

    def endpoint(self) -> Endpoint:
        """Probe the server itself; STARTTLS is tried later, in the conversation."""
        config = self.config
        return Endpoint(config.host, config.port, config.security == "tls", config.ca_bundle or None)

    def send(self, mail: Mail) -> Receipt:
        """Hand the mail to the server; recipients it does not take are listed in the receipt."""
        config = self.config
        name, _, domain = config.from_address.rpartition("@")
        # The same call has the same number, so that a mail sent twice can be recognised as one.
        number = hashlib.sha256((self.wire.idempotency_key or self.wire.nonce()).encode()).hexdigest()[:32]
        message_id = f"<{number}@{domain}>"
        sender = Address(config.from_name, name, domain)
        payload = to_mime(mail, sender=sender, message_id=message_id, date=self.wire.clock.now())
        with self._conversation() as session:
            self._sign_in(session)
            session.begin(config.from_address, len(payload), utf8=needs_utf8(config.from_address, mail))
            refused = session.address(mail.recipients)
            session.hand_over(payload)
        return Receipt(message_id, tuple(Refusal(who, no.code, no.text) for who, no in refused.items()))

    def check(self) -> Iterator[Stage]:
        """Encrypt, sign in, and see whether the sender is accepted."""
        signed_in = SIGNED_IN if self.config.username else N_("The mail server wants no sign-in.")
        try:
            with self._conversation() as session:
                if self.config.security == "starttls" and isinstance(session.sock, ssl.SSLSocket):
                    yield certificate_stage(session.sock, self.wire.clock.now())
                if self.config.security == "none":
                    yield Stage.warning("tls", N_("Mails travel unencrypted."), field="security")
                self._sign_in(session)
                session.begin(self.config.from_address, utf8=not self.config.from_address.isascii())
                session.rset()
            yield Stage.ok("authentication", signed_in)
            yield Stage.ok("sender", N_("The mail server accepts the sender."))
        except Forbidden as fault:
            yield Stage.ok("authentication", signed_in)
            yield Stage.of_fault(fault, "sender")
        except (Misconfigured, Unreachable) as fault:
            stage = Stage.of_fault(fault)
            remedy = REMEDIES.get(fault.field or fault.code)
            yield replace(stage, remedy=Message(remedy) if remedy else stage.remedy)

    def _conversation(self) -> AbstractContextManager[SmtpSession]:
        config = self.config
        context = tls_context(config.ca_bundle or None)
        return conversation(
            self.wire, config.host, config.port, context=context, security=config.security, rules=SMTP_FAULTS
        )

    def _sign_in(self, session: SmtpSession) -> None:
        if self.config.username and self.config.password:
            session.sign_in(self.config.username, self.config.password.get_secret_value())
