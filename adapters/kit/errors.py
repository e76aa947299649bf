"""The words of failure: what went wrong with one attempt, and what it may have done at the vendor.

Fault
├── Blocked        the destination is not allowed                     nothing sent
├── Unreachable    no connection, or no secure one                    nothing sent
├── Unsupported    this vendor cannot express the request             nothing sent
├── Misconfigured  our credentials or settings                        answered, not done
├── Forbidden      the credentials are right but may not do this      answered, not done
├── Refused        the caller's input                                 answered, not done
├── Throttled      too fast; `retry_after` says for how long          answered, not done
├── Exhausted      quota, balance or billing                          answered, not done
├── Unavailable    the vendor is down and says so                     answered, not done
└── Unsure         it may have been done                              unknown
"""

from __future__ import annotations

from enum import StrEnum

from adapters.kit.text import Message


class Effect(StrEnum):
    """What an attempt did at the vendor."""

    NONE = "NONE"
    REJECTED = "REJECTED"
    DONE = "DONE"
    UNKNOWN = "UNKNOWN"


class Fault(Exception):
    """Why an attempt failed. Never an OSError, so that no transport library can swallow it.

    `retry_after` is in seconds; `vendor_specific` allows failing over although the request was rejected;
    `field` is the wire name of the setting to fix; `detail` is for the operator's log, never for a page.
    """

    code: str = "VENDOR_SERVER_ERROR"
    effect: Effect = Effect.UNKNOWN

    def __init__(
        self,
        message: Message | str,
        *,
        code: str | None = None,
        effect: Effect | None = None,
        vendor_status: int | None = None,
        vendor_code: str | None = None,
        vendor_message: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        vendor_specific: bool = False,
        field: str | None = None,
        detail: str | None = None,
    ) -> None:
        self.message = Message.wrap(message)
        self.code = code or type(self).code
        self.effect = effect or type(self).effect
        self.vendor_status = vendor_status
        self.vendor_code = vendor_code
        self.vendor_message = vendor_message
        self.request_id = request_id
        self.retry_after = retry_after
        self.vendor_specific = vendor_specific
        self.field = field
        self.detail = detail
        super().__init__(str(self.message))


class Blocked(Fault):
    """The destination is not one this installation may connect to."""

    code = "EGRESS_BLOCKED"
    effect = Effect.NONE


class Unreachable(Fault):
    """No connection could be made; not one byte of the request was sent."""

    code = "CONNECT_REFUSED"
    effect = Effect.NONE


class Unsupported(Fault):
    """This vendor cannot express what was asked; another one may."""

    code = "OPERATION_UNSUPPORTED"
    effect = Effect.NONE


class Misconfigured(Fault):
    """The vendor does not accept our credentials or settings."""

    code = "VENDOR_AUTH_REJECTED"
    effect = Effect.REJECTED


class Forbidden(Fault):
    """The credentials are valid but may not do this."""

    code = "VENDOR_PERMISSION_DENIED"
    effect = Effect.REJECTED


class Refused(Fault):
    """The vendor does not accept the caller's input."""

    code = "VENDOR_REJECTED_REQUEST"
    effect = Effect.REJECTED


class Throttled(Fault):
    """Too many requests for now."""

    code = "VENDOR_RATE_LIMITED"
    effect = Effect.REJECTED


class Exhausted(Fault):
    """The quota or the balance of the account is used up."""

    code = "VENDOR_QUOTA_EXHAUSTED"
    effect = Effect.REJECTED


class Unavailable(Fault):
    """The vendor is down and certainly did nothing."""

    code = "VENDOR_UNAVAILABLE"
    effect = Effect.REJECTED


class Unsure(Fault):
    """The request left us and nobody can say whether it was carried out."""

    code = "VENDOR_SERVER_ERROR"
    effect = Effect.UNKNOWN
