"""Twilio SendGrid: transactional mail over the v3 Web API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from pydantic import SecretStr

from adapters.email import Email, Mail, Receipt
from adapters.kit import (
    Bearer,
    Fault,
    Forbidden,
    Lookup,
    Misconfigured,
    Operation,
    Refused,
    Reply,
    Sent,
    Settings,
    Stage,
    N_,
    secret,
    setting,
)
from adapters.kit.rules import Rule, judge
from adapters.kit.sendgrid import ARGUMENT, everyone_once, judge_activity, question

HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
JSON = {"Accept": "application/json"}
ACCEPTED = 202

# SendGrid has no error codes of its own, only statuses; those not named here mean what they mean everywhere.
FAULTS = {
    "400": Rule(Refused, N_("SendGrid does not accept this mail.")),
    "401": Rule(Misconfigured, N_("SendGrid does not accept the API key."), field="api_key"),
    "403": Rule(Forbidden, N_("SendGrid does not let this key send from this address."), field="from_email"),
    "451": Rule(
        Refused, N_("SendGrid wants this mail in another data region."), vendor_specific=True, field="region"
    ),
}


class SendGrid(
    Email,
    service_type="EMAIL_PROVIDER_SENDGRID",
    label="Twilio SendGrid",
    docs="docs/adapters/sendgrid.md",
    summary=N_("Sends through SendGrid with an API key and a verified sender."),
):
    """Mail through SendGrid, which accepts first and delivers later."""

    class Config(Settings):
        """What SendGrid needs."""

        api_key: SecretStr = secret(
            N_("API key"), hint=N_("Needs the Mail Send permission."), show_last4=True
        )
        from_email: str = setting(
            N_("From address"), kind="email", hint=N_("A sender that SendGrid has verified.")
        )
        from_name: str = setting(N_("From name"), default="", max_length=200)
        region: Literal["global", "eu"] = setting(
            N_("Data region"),
            default="global",
            destination=True,
            choices={"global": N_("Global"), "eu": N_("EU")},
        )
        sandbox: bool = setting(
            N_("Sandbox"), default=False, hint=N_("Mails are validated but not delivered.")
        )
        base_url: str = setting(
            N_("Base address"), default="", kind="url", group="advanced", destination=True
        )

    config: Config

    @property
    def base_url(self) -> str:
        """Return the region's host, unless the settings name another."""
        return self.config.base_url or HOSTS[self.config.region]

    def auth(self) -> Bearer:
        """Send the key as a bearer token."""
        return Bearer(self.config.api_key)

    def send(self, mail: Mail) -> Receipt:
        """Hand the mail over; the answer names it in a header."""
        reply = self.http.post("/v3/mail/send", json=self._message(mail), headers=JSON)
        if reply.status != ACCEPTED and not self.config.sandbox:
            raise reply.malformed()
        return Receipt(reply.headers.get("X-Message-Id", ""))

    def lookup(self, operation: Operation, params: Mail, sent: Sent) -> Lookup:  # noqa: ARG002 - our number says it
        """Look for our number in the email activity, which SendGrid sells apart and keys may lack."""
        try:
            reply = self.http.get("/v3/messages", params=question(sent.key), headers=JSON)
        except Forbidden:
            return Lookup.unclear(N_("This key may not read the email activity, which SendGrid sells apart."))
        return judge_activity(reply.json_object())

    def check(self) -> Iterator[Stage]:
        """Ask which permissions the key has."""
        scopes = None
        with suppress(Forbidden):
            reply = self.http.get("/v3/scopes", headers=JSON)
            scopes = reply.json_object().get("scopes")
            if not isinstance(scopes, list):
                raise reply.malformed()
        yield Stage.ok("authentication", N_("SendGrid accepts the API key."))
        yield _permission(scopes)

    def classify(self, reply: Reply) -> Fault | None:
        """Judge by status, and keep the sentences of SendGrid's list of errors."""
        errors = reply.peek().get("errors") if not reply.ok else None
        listed = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
        words = (f"{error.get('field') or ''} {error.get('message') or ''}" for error in listed)
        return judge(reply, FAULTS, message="; ".join(map(str.strip, words)) or None)

    def _message(self, mail: Mail) -> dict[str, Any]:
        bodies = (("text/plain", mail.text), ("text/html", mail.html))
        files = ((file.filename, file.content_type, file.content_base64) for file in mail.attachments)
        message = {
            "personalizations": [everyone_once(to=mail.to, cc=mail.cc, bcc=mail.bcc)],
            "from": {"email": self.config.from_email}
            | ({"name": name} if (name := self.config.from_name) else {}),
            "reply_to": {"email": mail.reply_to} if mail.reply_to else None,
            "subject": mail.subject,
            "content": [{"type": kind, "value": value} for kind, value in bodies if value],
            "attachments": [
                {"filename": name, "type": kind, "content": content} for name, kind, content in files
            ],
            "headers": mail.headers,
            "categories": list(mail.tags),
            "custom_args": {ARGUMENT: self.wire.idempotency_key} if self.wire.idempotency_key else None,
            "mail_settings": {"sandbox_mode": {"enable": True}} if self.config.sandbox else None,
        }
        return {name: value for name, value in message.items() if value}


def _permission(scopes: list[Any] | None) -> Stage:
    remedy = N_("In SendGrid, open Settings, API Keys, and give this key the Mail Send permission.")
    if scopes is None:
        text = N_("This key may not list its permissions, so Mail Send could not be confirmed.")
        return Stage.warning("permission", text, remedy=remedy, field="api_key")
    if "mail.send" not in scopes:
        return Stage.warning("permission", N_("This key may not send mail."), remedy=remedy, field="api_key")
    return Stage.ok("permission", N_("This key may send mail."))
