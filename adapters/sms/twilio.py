"""Twilio: text messages over the Programmable Messaging API (2010-04-01)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Self

from pydantic import SecretStr, model_validator

from adapters.kit import (
    Basic,
    Fault,
    Forbidden,
    Message,
    Misconfigured,
    Refused,
    Reply,
    Settings,
    Stage,
    Throttled,
    Unavailable,
    Unsupported,
    Wrong,
    N_,
    secret,
    setting,
)
from adapters.kit.rules import Rule, account_rule, judge
from adapters.sms import Receipt, Sms, Text

ACCOUNTS = "/2010-04-01/Accounts"
API = "https://api.twilio.com"
SK, MG = r"^(SK[0-9a-fA-F]{32})?$", r"^(MG[0-9a-fA-F]{32})?$"
SENDER_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")

NUMBER = Rule(Refused, N_("Twilio does not accept this phone number."))
SENDER = account_rule(N_("Twilio does not let this account send from this sender."), "from")
REACH = account_rule(N_("This Twilio account may not send to this number."))
FAULTS = {
    "20003": Rule(Misconfigured, N_("Twilio does not accept these credentials here.")),
    "20005": Rule(Forbidden, N_("The Twilio account is not active.")),
    "20404": Rule(Refused, N_("Twilio does not know this account."), "VENDOR_NOT_FOUND", field="account_sid"),
    "20429": Rule(Throttled, N_("Twilio asks us to slow down.")),
    "21602": Rule(Refused, N_("The message is empty.")),
    "21610": Rule(Refused, N_("The recipient has opted out."), "VENDOR_RECIPIENT_BLOCKED"),
    "21617": Rule(Refused, N_("The message is longer than 1600 characters.")),
    "30001": Rule(Unavailable, N_("Twilio's queue for this sender is full.")),
    **dict.fromkeys(("21211", "21614"), NUMBER),
    **dict.fromkeys(("21408", "21608", "21612"), REACH),
    **dict.fromkeys(("21606", "21659", "21660", "21703"), SENDER),
}


class Twilio(
    Sms,
    service_type="SMS_PROVIDER_TWILIO",
    label="Twilio",
    docs="docs/adapters/twilio.md",
    summary=N_("Sends worldwide from your own number or messaging service."),
):
    """Messages through Twilio, which accepts first and delivers later."""

    class Config(Settings):
        """What Twilio needs: the account, its token or an API key, and a sender."""

        account_sid: str = setting(N_("Account SID"), group="credentials", pattern=r"^AC[0-9a-fA-F]{32}$")
        auth_token: SecretStr | None = secret(N_("Auth token"), default=None, hint=N_("Or use an API key."))
        api_key_sid: str = setting(N_("API key SID"), default="", group="credentials", pattern=SK)
        api_key_secret: SecretStr | None = secret(N_("API key secret"), default=None)
        from_: str = setting(N_("Sender"), alias="from", default="", placeholder="+15551234567")
        messaging_service_sid: str = setting(N_("Messaging service SID"), default="", pattern=MG)
        status_callback: str = setting(N_("Status callback"), default="", kind="url", group="advanced")
        base_url: str = setting(
            N_("Base address"), default=API, kind="url", group="advanced", destination=True
        )

        @model_validator(mode="after")
        def _complete(self) -> Self:
            if bool(self.api_key_sid) != bool(self.api_key_secret):
                raise Wrong(N_("An API key has a SID and a secret."), field="api_key_secret", code="missing")
            if not self.auth_token and not self.api_key_sid:
                raise Wrong(N_("Enter the auth token, or an API key."), field="auth_token", code="missing")
            if not self.from_ and not self.messaging_service_sid:
                raise Wrong(N_("Enter a sender, or a messaging service."), field="from", code="missing")
            return self

    config: Config

    def auth(self) -> Basic:
        """Prefer the API key, which can be revoked alone."""
        key = self.config.api_key_secret
        user = self.config.api_key_sid if key else self.config.account_sid
        return Basic(user, key or self.config.auth_token or SecretStr(""))

    def send(self, text: Text) -> Receipt:
        """Queue the message at Twilio."""
        if text.sign and not SENDER_NAME.fullmatch(text.sign):
            raise Unsupported(N_("Twilio takes a signature of up to 11 letters, digits and spaces only."))
        form = {
            "To": text.to,
            "From": text.sign or self.config.from_,
            "MessagingServiceSid": self.config.messaging_service_sid,
            "StatusCallback": self.config.status_callback,
        }
        known = {name: value for name, value in form.items() if value}
        path = f"{ACCOUNTS}/{self.config.account_sid}/Messages.json"
        reply = self.http.post(path, form=known | _content(text))
        if not (answer := reply.json_object()).get("sid"):
            raise reply.malformed()
        segments = str(answer.get("num_segments"))
        return Receipt(str(answer["sid"]), int(segments) if segments.isdecimal() else None)

    def check(self) -> Iterator[Stage]:
        """Read the account; an API key that may not is proved on the list of messages instead."""
        try:
            status = self.http.get(f"{ACCOUNTS}/{self.config.account_sid}.json").json_object().get("status")
        except (Misconfigured, Forbidden):
            if not self.config.api_key_sid:
                raise
            self.http.get(f"{ACCOUNTS}/{self.config.account_sid}/Messages.json?PageSize=1").json_object()
            yield Stage.ok("authentication", N_("Twilio accepts the API key."))
            yield Stage.skipped("permission", N_("This API key may not read the state of the account."))
            return
        yield Stage.ok("authentication", N_("Twilio accepts the credentials."))
        yield _state(str(status))

    def classify(self, reply: Reply) -> Fault | None:
        """Judge by Twilio's numbers; a message may be refused in a reply that created it."""
        said = reply.peek()
        prefix = "error_" if reply.ok else ""
        code = str(said.get(f"{prefix}code") or "")
        return judge(reply, FAULTS, code=code or None, message=said.get(f"{prefix}message"))


def _state(status: str) -> Stage:
    if status == "active":
        return Stage.ok("permission", N_("The account is active."))
    text = Message.of(N_("The account is not active but %(status)s."), status=status[:20])
    return Stage.failed("permission", text, remedy=N_("See in Twilio's console why."))


def _content(text: Text) -> dict[str, Any]:
    if text.text:
        return {"Body": text.text}
    if not text.template.startswith("HX"):
        raise Unsupported(N_("Twilio needs text, or a content template whose name begins with HX."))
    values = json.dumps(text.template_params, ensure_ascii=False)
    return {"ContentSid": text.template, "ContentVariables": values}
