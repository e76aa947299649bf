"""Aliyun's gateway, the same before all of its products: its credentials, signed requests and its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from typing import Any

from pydantic import SecretStr

from adapters.kit.auth import Outgoing
from adapters.kit.clock import Clock
from adapters.kit.errors import (
    Effect,
    Fault,
    Forbidden,
    Misconfigured,
    Refused,
    Throttled,
    Unavailable,
    Unsure,
)
from adapters.kit.http import Http
from adapters.kit.lookup import Lookup, Sent
from adapters.kit.reply import Reply
from adapters.kit.rules import Rule, Rules, judge
from adapters.kit.settings import Settings, secret, setting
from adapters.kit.signing import acs3_authorization, canonical_query, sha256_hex
from adapters.kit.text import N_

_CHINA = timezone(timedelta(hours=8))
_WRONG_KEY = Rule(Misconfigured, N_("Aliyun does not know this AccessKey ID."), field="accessKeyId")
_WRONG_SECRET = Rule(Misconfigured, N_("The AccessKey secret does not fit its ID."), field="accessKeySecret")
_WRONG_TOKEN = Rule(
    Misconfigured, N_("The security token has expired or is not valid."), field="securityToken"
)
_WRONG_CLOCK = Rule(Misconfigured, N_("This machine's clock differs from Aliyun's by more than 15 minutes."))
_FORBIDDEN = Rule(Forbidden, N_("The RAM user may not use this function."))
_THROTTLED = Rule(Throttled, N_("Aliyun asks us to slow down."))

GATEWAY_FAULTS = {
    "InvalidAccessKeyId*": _WRONG_KEY,
    "MissingAccessKeyId": _WRONG_KEY,
    "Forbidden.AccessKeyDisabled": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_SECRET,
    "IncompleteSignature": _WRONG_SECRET,
    "InvalidSecurityToken*": _WRONG_TOKEN,
    "MissingSecurityToken": _WRONG_TOKEN,
    "InvalidTimeStamp*": _WRONG_CLOCK,
    # Whoever asks again signs again, with a new nonce.
    "SignatureNonceUsed": Rule(Unavailable, N_("Aliyun has seen this request's number before.")),
    "Forbidden*": _FORBIDDEN,
    "NoPermission*": _FORBIDDEN,
    "Throttling*": _THROTTLED,
    "InvalidAction*": Rule(Refused, N_("Aliyun does not know this function."), "VENDOR_NOT_FOUND"),
    "InvalidVersion": Rule(Refused, N_("Aliyun does not know this version of the function.")),
    "ServiceUnavailable*": Rule(Unavailable, N_("Aliyun is not available now.")),
    "InternalError*": Rule(Unsure, N_("Aliyun failed while handling the request."), effect=Effect.UNKNOWN),
}


class AccessKey(Settings):
    """The credentials of a RAM user, under Aliyun's own names; the base of a product's settings."""

    access_key_id: str = setting(N_("AccessKey ID"), alias="accessKeyId", group="credentials", max_length=128)
    access_key_secret: SecretStr = secret(N_("AccessKey secret"), alias="accessKeySecret")
    region_id: str = setting(
        N_("Region"), alias="regionId", default="cn-hangzhou", pattern=r"^[a-z0-9-]{2,40}$", destination=True
    )
    security_token: SecretStr | None = secret(
        N_("Security token"),
        alias="securityToken",
        default=None,
        group="advanced",
        hint=N_("Only with a temporary AccessKey of STS."),
    )
    base_url: str = setting(N_("Base address"), default="", kind="url", group="advanced", destination=True)


@dataclass(frozen=True, slots=True)
class Acs3:
    """Signs one action with an AccessKey, at this moment and under a number used once."""

    action: str
    version: str
    access_key: AccessKey
    clock: Clock
    nonce: Callable[[], str]

    def sign(self, request: Outgoing) -> None:
        """Set Aliyun's headers and sign them with the host, the query and the body that will be sent."""
        request.query.sort()
        headers = {
            "host": request.target.netloc,
            "x-acs-action": self.action,
            "x-acs-content-sha256": sha256_hex(request.body),
            "x-acs-date": self.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": self.nonce(),
            "x-acs-version": self.version,
        }
        if self.access_key.security_token:
            headers["x-acs-security-token"] = self.access_key.security_token.get_secret_value()
            headers["x-acs-accesskey-id"] = self.access_key.access_key_id
        if request.body:
            headers["content-type"] = request.headers["Content-Type"]
        authorization = acs3_authorization(
            method=request.method,
            path=request.path,
            query=canonical_query(dict(request.query)),
            headers=headers,
            key_id=self.access_key.access_key_id,
            secret=self.access_key.access_key_secret.get_secret_value(),
        )
        own = {name: value for name, value in headers.items() if name.startswith("x-acs-")}
        request.headers.update(own, Authorization=authorization)


def ask(http: Http, proof: Acs3, parameters: Mapping[str, str | None]) -> dict[str, Any]:
    """Call one function and return its answer; the parameters travel in the query, as in Aliyun's own clients."""
    reply = http.post("/", params=parameters, auth=proof)
    answer = reply.json_object()
    if answer.get("Code") != "OK":
        raise reply.malformed()
    return answer


def judge_code(reply: Reply, rules: Rules) -> Fault | None:
    """Judge a reply by the code in it, which may say failure although the status says success."""
    said = reply.peek()
    code = said["Code"] if isinstance(said.get("Code"), str) else None
    if reply.ok and code in {"OK", None}:
        return None
    return judge(reply, rules, code=code, message=said.get("Message"), request_id=said.get("RequestId"))


def details_of(to: str, sent: Sent) -> dict[str, str]:
    """The question for the messages that were sent to a number on the day of a request, as China counts days."""
    number = to.removeprefix("+86").removeprefix("+")
    day = sent.at.astimezone(_CHINA).strftime("%Y%m%d")
    return {"PhoneNumber": number, "SendDate": day, "PageSize": "50", "CurrentPage": "1"}


def judge_details(answer: Mapping[str, Any], key: str) -> Lookup:
    """Find a message by our number among those Aliyun lists; that it is not listed yet proves nothing."""
    listed = answer.get("SmsSendDetailDTOs")
    details = listed.get("SmsSendDetailDTO") if isinstance(listed, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("OutId") == key:
            return Lookup.done(N_("Aliyun lists this message among those it has sent."))
    return Lookup.unclear(N_("Aliyun does not list this message so far."))
