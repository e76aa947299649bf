"""What is written down of calls and attempts: begin before the send, end before the result is used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import Exchange, Message, N_
from webapp.engine.attempt import Attempt
from webapp.engine.breaker import Transition
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.problems import PatchbayError
from webapp.engine.redaction import Redactor, mask_recipient
from webapp.engine.request import CallRequest
from webapp.ids import call_id as new_id
from webapp.log.drain import Backlog
from webapp.log.entries import Bodies
from webapp.log.journal import Unwritable

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_ENDPOINT_MAX, _MESSAGE_MAX, _WORD_MAX = 2_048, 2_000, 120


class StoreDown(Exception):
    """The log could not be written."""


class Recorder:
    """Writes calls and attempts, redacted, into the journal of this process; from there they reach the log."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger

    @property
    def late(self) -> int:
        """How many ends wait for the disk."""
        return self._ledger.late

    def backlog(self) -> Backlog:
        """What the journals hold that is not in the log yet."""
        return self._ledger.backlog()

    def flush(self) -> bool:
        """Wait until what this process recorded is in the log; False when the log cannot be written now."""
        return self._ledger.settle()

    def open_call(self, call_id: int, request: CallRequest, key_hash: str | None) -> bool:
        """Write that a call begins; False when its key is taken. Raises StoreDown.

        A key is taken in the database, where every process sees it; other calls need only the journal.
        """
        values = {
            "call_id": call_id,
            "created_at": self._now(),
            "operation": request.operation.name,
            "contract": request.contract,
            "outcome": "pending",
            "integration_point": request.point,
            "correlation_id": request.correlation_id,
            "caller": request.caller,
            "deadline_ms": request.deadline_ms,
            "call_key": key_hash,
            "request_hash": request.fingerprint() if key_hash else None,
            "attempts": 0,
        }
        try:
            self._ledger.open(call_id, values)
        except Unwritable as error:
            raise StoreDown(str(error)) from None
        return key_hash is None or self._take_key(call_id, values)

    def _take_key(self, call_id: int, values: Mapping[str, object]) -> bool:
        taken = False
        try:
            taken = self._runtime.log.open_call(values)
        except SQLAlchemyError as error:
            raise StoreDown(type(error).__name__) from None
        finally:
            if taken:
                self._ledger.seen(call_id)
            else:
                self._ledger.abandon(call_id)
        return taken

    def begin(self, attempt: Attempt) -> None:
        """Write that an attempt is about to be sent. Raises StoreDown."""
        try:
            self._ledger.begin(attempt.call_id, self._begin_values(attempt), attempt.candidate.durability)
        except Unwritable as error:
            raise StoreDown(str(error)) from None

    def end(self, attempt: Attempt, duration_ms: int, call_end: Mapping[str, object] | None) -> None:
        """Write how an attempt ended and, when it was the last one, how its call did."""
        redactor = attempt.opened.redactor
        values = self._end_values(attempt, duration_ms, redactor)
        bodies = _bodies(attempt.exchange, redactor) if attempt.exchange else None
        close = self._call_values(call_end) if call_end else None
        self._ledger.end(
            attempt.call_id, attempt.log_id, values, bodies, close, level=attempt.candidate.durability
        )

    def close_call(self, call_id: int, call_end: Mapping[str, object]) -> None:
        """Write how a call ended whose last attempt is already written, or that had none."""
        self._ledger.close_call(call_id, self._call_values(call_end))

    def refuse(self, call_id: int, request: CallRequest, error: PatchbayError) -> None:
        """Write one local row for a call that ended without any attempt, so that it can be found in the log."""
        about = {"call_id": call_id, "candidate_no": 0, "next": "stop"}
        self._note("local", error.code, error.detail, self._shared(request) | about)

    def skip(
        self, call_id: int, request: CallRequest, candidate: Candidate, skip: Skip, candidate_no: int
    ) -> None:
        """Write one local row for a service that a gate kept a call away from."""
        about = {
            "call_id": call_id,
            "candidate_no": candidate_no,
            "service_id": candidate.service_id,
            "service_type": candidate.service_type,
            "config_version": candidate.revision,
            "sandbox": candidate.sandbox,
            "retry_after_ms": retry_after_ms(skip.retry_after_s),
        }
        self._note("local", skip.code, skip.reason, self._shared(request) | about)

    def transition(self, service_id: str, change: Transition) -> None:
        """Write one row for a breaker that changed its state, with the counts that led to it."""
        sentence = N_("From %(before)s to %(after)s (%(reason)s): %(calls)s calls, %(failures)s failed.")
        values = {name: getattr(change, name) for name in ("before", "after", "reason", "calls", "failures")}
        opened = change.after == "open"
        about = {"call_id": 0, "candidate_no": 0, "service_id": service_id}
        self._note("transition", "CIRCUIT_OPEN" if opened else None, Message(sentence, values), about)

    def _note(self, kind: str, code: str | None, message: Message, about: Mapping[str, object]) -> None:
        """Write a row about something that was not sent."""
        now = self._now()
        values = {
            "log_id": new_id(), "kind": kind, "attempt_no": 0, "request_timestamp": now,
            "response_timestamp": now, "duration_ms": 0, "outcome": "failed" if code else "succeeded",
            "is_success": code is None, "effect": "NONE", "code": code, **about,
            "error_message": str(message)[:_MESSAGE_MAX],
        }  # fmt: skip
        self._ledger.row(values)

    def write_late(self) -> None:
        """Write what the disk refused before, and take over the journals of dead processes."""
        self._ledger.write_late()

    def _shared(self, request: CallRequest) -> dict[str, object]:
        return {
            "correlation_id": request.correlation_id,
            "operation": request.operation.name,
            "contract": request.contract,
            "integration_point": request.point,
            "caller": request.caller,
        }

    def _begin_values(self, attempt: Attempt) -> dict[str, object]:
        candidate, recipient = attempt.candidate, attempt.recipient
        return self._shared(attempt.request) | {
            "log_id": attempt.log_id,
            "call_id": attempt.call_id,
            "kind": "attempt",
            "attempt_no": attempt.number,
            "candidate_no": attempt.candidate_no,
            "service_id": candidate.service_id,
            "service_type": candidate.service_type,
            "config_version": attempt.opened.revision or candidate.revision,
            "sandbox": candidate.sandbox,
            "request_timestamp": self._now(),
            "request_endpoint": _short(attempt.endpoint, _ENDPOINT_MAX),
            "outcome": "pending",
            "phase": "dispatched",
            "safety": str(attempt.safety),
            "recipient_mask": _short(mask_recipient(recipient), 254) if recipient else None,
            "recipient_hash": self._runtime.log.hash_recipient(recipient) if recipient else None,
        }

    def _end_values(self, attempt: Attempt, duration_ms: int, redactor: Redactor) -> dict[str, object]:
        verdict, exchange = attempt.verdict, attempt.exchange
        assert verdict is not None
        fault = verdict.fault
        said = " ".join(str(words) for words in (verdict.message, attempt.opened.note) if words)
        values: dict[str, object] = {
            "response_timestamp": self._now(),
            "duration_ms": duration_ms,
            "is_success": verdict.code is None,
            "outcome": verdict.outcome(attempt.safety),
            "effect": str(verdict.effect),
            "code": verdict.code,
            "phase": _short(str(attempt.wire.phase or ""), 12),
            "error_message": _short(redactor.text(said), _MESSAGE_MAX),
            "next": str(attempt.next),
            "cost": attempt.cost,
        }
        if fault:
            values |= {
                "vendor_code": _redacted(redactor, fault.vendor_code, _WORD_MAX),
                "vendor_message": _redacted(redactor, fault.vendor_message, _MESSAGE_MAX),
                "vendor_request_id": _redacted(redactor, fault.request_id, 255),
                "retry_after_ms": retry_after_ms(fault.retry_after),
                "response_status_code": fault.vendor_status,
            }
        return values | (_exchange_values(exchange, redactor) if exchange else {})

    def _call_values(self, call_end: Mapping[str, object]) -> dict[str, object]:
        return {"finished_at": self._now(), **call_end}

    def _now(self) -> datetime:
        return self._runtime.clock.now()


def safe_message(message: Message, redactor: Redactor) -> Message:
    """A sentence whose values hold no secret; one that itself holds a secret becomes plain text."""
    values = {
        name: redactor.text(value) if isinstance(value, str) else value
        for name, value in message.values.items()
    }
    if redactor.text(message.msgid) != message.msgid:
        return Message("%(text)s", {"text": redactor.text(str(message))})
    return Message(message.msgid, values)


def retry_after_ms(seconds: float | None) -> int | None:
    """A wait in milliseconds, if it is a sensible one."""
    return round(seconds * 1000) if seconds is not None and 0 <= seconds < 10**7 else None


def _bodies(exchange: Exchange, redactor: Redactor) -> Bodies:
    """What the log keeps of an exchange; nothing raw gets further than here."""
    sent, received = exchange.request_headers, exchange.response_headers or {}
    return Bodies(
        request_headers=redactor.headers(sent),
        request_payload=redactor.body(exchange.request_body, _content_type(sent)),
        response_headers=redactor.headers(received),
        response_payload=redactor.body(exchange.response_body, _content_type(received)),
    )


def _exchange_values(exchange: Exchange, redactor: Redactor) -> dict[str, object]:
    values: dict[str, object] = {
        "request_endpoint": _short(f"{exchange.method} {redactor.url(exchange.url)}", _ENDPOINT_MAX),
        "bytes_out": len(exchange.request_body or b""),
        "bytes_in": len(exchange.response_body or b""),
    }
    return values | ({"response_status_code": exchange.status} if exchange.status else {})


def _content_type(headers: Mapping[str, str]) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == "content-type"), None)


def _redacted(redactor: Redactor, text: str | None, most: int) -> str | None:
    return _short(redactor.text(str(text)), most) if text else None


def _short(text: str | None, most: int) -> str | None:
    return text[:most] if text else None
