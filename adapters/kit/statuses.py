"""What an HTTP status means when the vendor says nothing more precise."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.kit.errors import (
    Effect,
    Exhausted,
    Fault,
    Forbidden,
    Misconfigured,
    Refused,
    Throttled,
    Unavailable,
    Unsure,
)
from adapters.kit.reply import Reply
from adapters.kit.text import Message, N_


@dataclass(frozen=True, slots=True)
class _Meaning:
    word: type[Fault]
    text: str
    code: str | None = None
    effect: Effect | None = None


_REFUSED = _Meaning(Refused, N_("The vendor did not accept the request (HTTP %(status)s)."))
_BROKEN = _Meaning(Unsure, N_("The vendor failed while handling the request (HTTP %(status)s)."))
_MEANINGS = {
    401: _Meaning(Misconfigured, N_("The vendor does not accept these credentials.")),
    402: _Meaning(Exhausted, N_("The vendor asks for payment: the balance or the plan is used up.")),
    403: _Meaning(Forbidden, N_("These credentials may not do this.")),
    404: _Meaning(Refused, N_("The vendor does not know this address or this object."), "VENDOR_NOT_FOUND"),
    407: _Meaning(Misconfigured, N_("A proxy asks for credentials."), "PROXY_FAILURE"),
    408: _Meaning(Unsure, N_("The vendor gave up waiting for the request."), "VENDOR_GATEWAY_TIMEOUT"),
    409: _Meaning(Refused, N_("The request conflicts with the state at the vendor."), "VENDOR_CONFLICT"),
    421: _Meaning(Unavailable, N_("The vendor cannot answer on this connection.")),
    425: _Meaning(Unavailable, N_("The vendor asks to send the request again.")),
    429: _Meaning(Throttled, N_("The vendor asks us to slow down.")),
    501: _REFUSED,
    504: _Meaning(Unsure, N_("The vendor's gateway gave up waiting."), "VENDOR_GATEWAY_TIMEOUT"),
    505: _REFUSED,
}
_REDIRECT = _Meaning(
    Refused,
    N_("The vendor sends us to another address, which we do not follow."),
    "VENDOR_UNEXPECTED_REDIRECT",
)
_DOWN = _Meaning(Unavailable, N_("The vendor says it is not available now."))
_DOWN_UNSURE = _Meaning(Unsure, N_("The vendor says it is not available now."), "VENDOR_UNAVAILABLE")
_REMAINING = ("X-RateLimit-Remaining", "RateLimit-Remaining", "X-Rate-Limit-Remaining")


def fault_by_status(reply: Reply) -> Fault | None:
    """Name the fault behind a status, or None for success."""
    meaning = _meaning(reply)
    if meaning is None:
        return None
    return meaning.word(
        Message.of(meaning.text, status=reply.status) if "%(status)s" in meaning.text else meaning.text,
        code=meaning.code,
        effect=meaning.effect,
        vendor_status=reply.status,
        request_id=reply.request_id,
        retry_after=reply.retry_after,
    )


def _meaning(reply: Reply) -> _Meaning | None:  # noqa: PLR0911 - one line for each range of statuses
    status = reply.status
    if reply.ok:
        return None
    if status == 403 and any(reply.headers.get(name, "").strip() == "0" for name in _REMAINING):  # noqa: PLR2004
        return _MEANINGS[429]
    if status == 503:  # noqa: PLR2004 - only a vendor that names a time to come back surely did nothing
        return _DOWN_UNSURE if reply.retry_after is None else _DOWN
    if status in _MEANINGS:
        return _MEANINGS[status]
    if 300 <= status < 400:  # noqa: PLR2004
        return _REDIRECT
    if 400 <= status < 500:  # noqa: PLR2004
        return _REFUSED
    return _BROKEN
