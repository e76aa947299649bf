"""The caller's own key of a call: the same request under the same key is carried out once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from adapters.kit import Effect, Message, N_
from webapp.engine.problems import PatchbayError
from webapp.engine.request import CallRequest
from webapp.engine.result import Result

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_KEPT = timedelta(hours=24)
_AGAIN_MS = 1_000


def key_hash(request: CallRequest) -> str | None:
    """What is stored of a key: unique to its caller, and not the key itself."""
    if request.call_key is None:
        return None
    return hashlib.sha256(
        f"{request.caller}\0{request.call_key}".encode("utf-8", "surrogatepass")
    ).hexdigest()


def earlier_result(runtime: Runtime, request: CallRequest, hashed: str) -> Result | None:
    """What the call that holds the key came to; None when the key is free again.

    Raises DUPLICATE_IN_PROGRESS while that call runs, IDEMPOTENCY_KEY_REUSED when it asked for something else,
    and the stored problem when it failed.
    """
    row = runtime.log.call_of_key(hashed)
    if row is None:
        return None
    if row["created_at"] < runtime.clock.now() - _KEPT:
        runtime.log.release_key(row["call_id"])
        return None
    if row["request_hash"] != request.fingerprint():
        message = Message.of(N_("This key was used for another request before."))
        raise _refusal("IDEMPOTENCY_KEY_REUSED", message, request, row["call_id"])
    if row["outcome"] == "pending":
        message = Message.of(N_("A call with this key is still running."))
        raise _refusal("DUPLICATE_IN_PROGRESS", message, request, row["call_id"], retry_after_ms=_AGAIN_MS)
    if row["outcome"] == "succeeded":
        return Result(
            row["call_id"], "succeeded", row["service_id"], row["service_type"], row["result"] or {},
            row["attempts"], row["duration_ms"] or 0, row["correlation_id"], replayed=True,
        )  # fmt: skip
    raise _stored_problem(row)


def _refusal(
    code: str, message: Message, request: CallRequest, call_id: int, retry_after_ms: int | None = None
) -> PatchbayError:
    return PatchbayError(
        code, message, operation=request.operation.name, correlation_id=request.correlation_id,
        call_id=call_id, retry_after_ms=retry_after_ms,
    )  # fmt: skip


def _stored_problem(row: Mapping[Any, Any]) -> PatchbayError:
    """The problem of a call that failed, as its first caller saw it."""
    problem = row["problem"] if isinstance(row["problem"], dict) else {}
    detail = problem.get("message") or {
        "msgid": str(problem.get("detail") or N_("The call failed.")),
        "values": {},
    }
    return PatchbayError(
        str(row["code"]),
        Message(detail["msgid"], detail["values"]),
        effect=Effect(str(row["effect"] or "UNKNOWN")),
        attempts=problem.get("attempts", ()),
        candidates=row["candidates"] or (),
        call_id=row["call_id"],
        correlation_id=row["correlation_id"],
        operation=str(row["operation"]),
        cause_code=problem.get("cause_code"),
    )
