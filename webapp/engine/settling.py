"""Saying what became of a call nobody knows about: by a person, by the vendor, or by sending it once more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.db import begin_write
from webapp.engine.problems import PatchbayError
from webapp.engine.reconcile import forget_params, params_of
from webapp.models.reconcile import OPEN, ReconcileItem
from webapp.registry.errors import Conflict, Flaw, Invalid, NotFound
from webapp.registry.history import note_flaws
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

NOTE_MAX = 500
VENDOR = "vendor"
_LOCK = "reconcile"


@dataclass(frozen=True, slots=True)
class Resent:
    """What came of sending a call once more."""

    call_id: int | None
    outcome: str
    problem: PatchbayError | None = None


def decide(
    session: Session, runtime: Runtime, call_id: int, outcome: str, *, note: str, actor: str
) -> ReconcileItem:
    """Say that a call succeeded or failed; its record keeps how it ended. The caller commits.

    Raises NotFound, Conflict (ALREADY_DECIDED), or Invalid for a note that is missing or too long.
    """
    if outcome not in {"succeeded", "failed"}:
        text = Message.of(N_("Choose one of: %(expected)s."), expected="succeeded, failed")
        raise Invalid([Flaw.at("outcome", code="choice", message=text)])
    note = _checked(note)
    item = _open_item(session, call_id)
    _close(session, runtime, item, state=outcome, note=note, actor=actor)
    forget_params(session, item)
    return item


def resend(runtime: Runtime, call_id: int, *, note: str, actor: str, accept_duplicate: bool) -> Resent:
    """Send what the call asked for once more, as a new call that is linked to the old one.

    The item is closed before anything is sent, so that two people cannot send it twice; it is opened again when
    certainly nothing was done. Raises NotFound, Conflict (ALREADY_DECIDED, PARAMS_GONE) or Invalid.
    """
    note = _checked(note)
    if accept_duplicate is not True:
        text = Message.of(N_("Say that you accept that it may be done twice."))
        raise Invalid([Flaw.at("accept_duplicate", code="missing", message=text)])
    with runtime.sessions() as session:
        item = _open_item(session, call_id)
        params = params_of(session, runtime, item)
        if params is None:
            raise Conflict("PARAMS_GONE", Message.of(N_("What this call asked for is not kept.")))
        _close(session, runtime, item, state="resent", note=note, actor=actor)
        session.commit()
    sent = _send(runtime, item, params, actor)
    _link(runtime, call_id, sent)
    return sent


def _send(runtime: Runtime, item: ReconcileItem, params: Any, actor: str) -> Resent:
    """On the service that may have done it already: it is the one that can tell duplicates apart."""
    try:
        result = runtime.hub.call(
            item.operation,
            params,
            prefer=[item.service_id] if item.service_id else (),
            point=item.integration_point,
            correlation_id=item.correlation_id,
            caller=actor,
        )
    except PatchbayError as problem:
        outcome = "unknown" if str(problem.effect) in {"UNKNOWN", "DONE"} else "failed"
        return Resent(problem.call_id, outcome, problem)
    return Resent(result.call_id, result.outcome)


def _link(runtime: Runtime, call_id: int, sent: Resent) -> None:
    """Note the new call; when it certainly did nothing the old one waits for an answer again."""
    with runtime.sessions() as session:
        begin_write(session, _LOCK)
        item = session.get_one(ReconcileItem, call_id)
        item.resent_call_id = sent.call_id
        if sent.outcome == "failed":
            item.state, item.decided_at, item.decided_by = "needs_attention", None, None
        else:
            forget_params(session, item)
        session.commit()


def close_by_vendor(session: Session, runtime: Runtime, item: ReconcileItem, outcome: str) -> None:
    """Take the vendor's word for it. The caller commits."""
    note = "The service was asked."
    _close(session, runtime, item, state=outcome, note=note, actor=VENDOR)
    forget_params(session, item)


def _close(
    session: Session, runtime: Runtime, item: ReconcileItem, *, state: str, note: str, actor: str
) -> None:
    item.state, item.note, item.decided_by = state, note, actor
    item.decided_at, item.next_lookup_at = runtime.clock.now(), None
    session.flush()
    detail = {"operation": item.operation, "service_id": item.service_id, "note": note}
    audit.append(
        session, runtime, actor=actor, action=f"reconcile.{state}", target=str(item.call_id), detail=detail
    )


def _open_item(session: Session, call_id: int) -> ReconcileItem:
    begin_write(session, _LOCK)
    item = session.get(ReconcileItem, call_id, populate_existing=True)
    if item is None:
        raise NotFound(Message.of(N_("There is no such call on the reconcile list.")), "NOT_FOUND")
    if item.state not in OPEN:
        raise Conflict(
            "ALREADY_DECIDED", Message.of(N_("Somebody has said what became of this call already."))
        )
    return item


def _checked(note: str) -> str:
    note = note.strip() if isinstance(note, str) else ""
    if not note:
        raise Invalid([Flaw.at("note", code="missing", message=Message.of(N_("Say how you know.")))])
    if len(note) > NOTE_MAX:
        text = Message.of(N_("Use at most %(max_length)s characters."), max_length=NOTE_MAX)
        raise Invalid([Flaw.at("note", code="too_long", message=text)])
    if flaws := note_flaws(note):
        raise Invalid(flaws)
    return note
