"""The one exception business code sees, and its form as Problem Details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from adapters.kit import Effect, Message, N_
from webapp.engine.codes import CODES, Code, code_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CODES", "Code", "PatchbayError", "code_of", "invalid_request"]

Translate = Callable[[str], str]


class PatchbayError(Exception):
    """A call that did not succeed: a stable code, what it did at the vendor, and every attempt.

    `effect` says whether it may have been done: NONE and REJECTED are certain, UNKNOWN is not.
    """

    def __init__(
        self,
        code: str,
        detail: Message,
        *,
        effect: Effect = Effect.NONE,
        errors: Sequence[Mapping[str, object]] = (),
        candidates: Sequence[Mapping[str, object]] = (),
        attempts: Sequence[Mapping[str, object]] = (),
        call_id: int | None = None,
        correlation_id: str | None = None,
        operation: str | None = None,
        cause_code: str | None = None,
        retry_after_ms: int | None = None,
        vendor: Mapping[str, object] | None = None,
        retry_suppressed_by: str | None = None,
    ) -> None:
        super().__init__(code, str(detail))
        self.code = code if code in CODES else "INTERNAL_ERROR"
        self.detail = detail
        self.effect = effect
        self.errors = tuple(errors)
        self.candidates = tuple(candidates)
        self.attempts = tuple(attempts)
        self.call_id = call_id
        self.correlation_id = correlation_id
        self.operation = operation
        self.cause_code = cause_code
        self.retry_after_ms = retry_after_ms
        self.vendor = vendor
        self.retry_suppressed_by = retry_suppressed_by

    @property
    def status(self) -> int:
        """The HTTP status a caller of the API gets; a vendor's 401 or 403 is never ours."""
        return code_of(self.code).status

    @property
    def title(self) -> str:
        """The constant title of the code, an English msgid."""
        return code_of(self.code).title

    @property
    def remedy(self) -> str:
        """What a person can do about it, an English msgid."""
        return code_of(self.code).remedy

    @property
    def retryable(self) -> bool:
        """Whether the same call may work a little later, and cannot do harm by being repeated."""
        return code_of(self.code).retryable and self.effect in {Effect.NONE, Effect.REJECTED}

    @property
    def type(self) -> str:
        """The URN of the code."""
        return f"urn:patchbay:problem:{self.code.lower().replace('_', '-')}"

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    def to_problem(self, translate: Translate = str) -> dict[str, object]:
        """The members of `application/problem+json`; absent ones are left out."""
        problem: dict[str, object] = {
            "type": self.type,
            "title": translate(self.title),
            "status": self.status,
            "detail": translated(self.detail, translate),
            "code": self.code,
            "effect": str(self.effect),
            "retryable": self.retryable,
            "remedy": translate(self.remedy),
        }
        told = {
            "candidates": [_spoken(entry, translate) for entry in self.candidates],
            "attempts": [_spoken(entry, translate) for entry in self.attempts],
        }
        return problem | dict(_present(self._extensions() | told))

    def to_record(self) -> dict[str, object]:
        """The problem as it is stored, with messages apart from their values, for readers of any language."""
        record = self.to_problem() | {"message": self.detail.to_dict(), "attempts": list(self.attempts)}
        return {name: value for name, value in record.items() if name != "candidates"}

    def _extensions(self) -> dict[str, object]:
        return {
            "instance": f"urn:patchbay:call:{self.call_id}" if self.call_id else None,
            "call_id": str(self.call_id) if self.call_id else None,
            "correlation_id": self.correlation_id,
            "operation": self.operation,
            "cause_code": self.cause_code,
            "retry_after_ms": self.retry_after_ms,
            "retry_suppressed_by": self.retry_suppressed_by,
            "errors": list(self.errors),
            "vendor": dict(self.vendor) if self.vendor else None,
        }


def invalid_request(
    errors: Sequence[Mapping[str, object]], *, operation: str | None = None, correlation_id: str | None = None
) -> PatchbayError:
    """REQUEST_INVALID with a pointer to each wrong member."""
    return PatchbayError(
        "REQUEST_INVALID",
        Message.of(N_("The request has members that are missing or wrong.")),
        errors=errors,
        operation=operation,
        correlation_id=correlation_id,
    )


def translated(message: Message, translate: Translate) -> str:
    """A message in the language of `translate`, with its values filled in."""
    text = translate(message.msgid)
    return text % message.values if message.values else text


def _spoken(entry: Mapping[str, object], translate: Translate) -> dict[str, object]:
    """A candidate or an attempt with its message as a sentence; nobody outside can translate a message."""
    message = entry.get("message")
    if not isinstance(message, Mapping):
        return dict(entry)
    sentence = Message(str(message["msgid"]), dict(message.get("values") or {}))
    return {**entry, "message": translated(sentence, translate)}


def _present(members: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    return ((name, value) for name, value in members.items() if value not in (None, [], {}))
