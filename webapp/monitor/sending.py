"""One message through one channel: as a call of Patchbay's own hub, or straight to a webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from adapters.kit import Effect, Fault, Http, Wire
from adapters.kit.operation import Safety
from webapp.engine.problems import PatchbayError
from webapp.models.alert import AlertChannel
from webapp.monitor.channels import OPERATIONS, behind, sound
from webapp.monitor.findings import ALERTS_CALLER
from webapp.vault.errors import SecretUnreadable

if TYPE_CHECKING:
    from webapp.runtime import Runtime

TIMEOUT_S = 10.0
_DEADLINE_MS = 20_000
_GOOD = 300
_SMS_MOST = 300


@dataclass(frozen=True, slots=True)
class Target:
    """A channel as sending needs it, read before the network is used."""

    channel_id: str
    kind: str
    prefer: tuple[str, ...]
    recipients: tuple[str, ...]
    options: Mapping[str, Any]
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """What is said: a headline, the text, and the same for programs. `key` makes saying it twice harmless."""

    headline: str
    text: str
    data: Mapping[str, Any]
    key: str


class Unsent(Exception):
    """It was not delivered; `code` says why, and `again` whether the same channel may be tried once more."""

    def __init__(self, code: str, *, again: bool) -> None:
        super().__init__(code)
        self.code = code
        self.again = again


def target_of(session: Session, runtime: Runtime, channel: AlertChannel, subject: str | None) -> Target:
    """Open a channel for an alert about a service. Raises Unsent when only that service, or none, could carry it."""
    url: str | None = None
    prefer: tuple[str, ...] = ()
    if channel.kind == "webhook":
        try:
            url = runtime.vault.open(session, channel.secret_id or "")
        except SecretUnreadable as unreadable:
            code = "KEY_UNAVAILABLE" if unreadable.is_key_away else "CREDENTIALS_UNREADABLE"
            raise Unsent(code, again=False) from None
    else:
        prefer = tuple(sound(session, behind(runtime, channel.kind, channel.route), without=subject))
        if not prefer:
            raise Unsent("NO_PROVIDER_AVAILABLE", again=False)
    return Target(
        channel.channel_id, channel.kind, prefer, tuple(channel.recipients), dict(channel.options), url
    )


def send(runtime: Runtime, target: Target, letter: Letter) -> None:
    """Say it; raises Unsent. No transaction is open meanwhile."""
    if target.kind == "webhook":
        _post(runtime, target.url or "", letter)
        return
    for place, params in enumerate(_params(target, letter)):
        try:
            runtime.hub.call(
                OPERATIONS[target.kind], params, prefer=list(target.prefer), point="patchbay.alert",
                deadline_ms=_DEADLINE_MS, call_key=f"{letter.key}:{target.channel_id[-12:]}:{place}",
                caller=ALERTS_CALLER,
            )  # fmt: skip
        except PatchbayError as error:
            # What may have arrived is not sent again through the same channel; another one says it more safely.
            raise Unsent(error.code, again=error.effect is not Effect.UNKNOWN) from None


def _params(target: Target, letter: Letter) -> Sequence[dict[str, Any]]:
    if target.kind == "email":
        subject = f"[Patchbay] {letter.headline}"
        return [{"to": list(target.recipients), "subject": subject, "text": letter.text}]
    if target.kind == "sms":
        template = target.options.get("template")
        own = {"template": template, "template_params": {"message": letter.headline}} if template else {}
        text = letter.text[:_SMS_MOST]
        return [{"to": recipient, "text": text, **own} for recipient in target.recipients]
    return [
        {
            "method": "POST",
            "path": target.options.get("path") or "/",
            "json": dict(letter.data),
            "safety": "KEYED",
        }
    ]


def _post(runtime: Runtime, url: str, letter: Letter) -> None:
    wire = Wire.for_call(
        runtime.policy, clock=runtime.clock, attempt_timeout_s=TIMEOUT_S, safety=Safety.UNSAFE
    )
    try:
        with wire:
            headers = {"Idempotency-Key": letter.key}
            reply = Http(wire).request("POST", url, json=dict(letter.data), headers=headers, raw=True)
    except Fault as fault:
        raise Unsent(fault.code, again=fault.effect is not Effect.UNKNOWN) from None
    if not 200 <= reply.status < _GOOD:  # noqa: PLR2004
        raise Unsent("VENDOR_SERVER_ERROR" if reply.status >= 500 else "VENDOR_REJECTED_REQUEST", again=True)  # noqa: PLR2004
