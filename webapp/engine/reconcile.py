"""The reconcile list: calls whose outcome nobody knows, kept until the vendor or a person says what became of them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapters.kit import Message, Operation
from webapp.engine.redaction import mask_recipient
from webapp.ids import id_at, moment_of
from webapp.models.reconcile import DECIDED, OPEN, ReconcileItem
from webapp.models.secret import Secret
from webapp.vault.errors import KeysLocked, VaultError

if TYPE_CHECKING:
    from webapp.engine.problems import PatchbayError
    from webapp.engine.request import CallRequest
    from webapp.runtime import Runtime

# When the vendor is asked, counted from the end of the call; after the last time a person has to look.
DELAYS_S = (5, 15, 60, 300, 1_800, 7_200)
STATES = (*OPEN, *DECIDED)
LIMIT_MAX = 200
_COLLECTED = timedelta(days=7)
_RECIPIENT_MAX = 254
_PARAMS_MAX = 256 * 1024
_PATIENCE_S = 1.0
_writers = threading.BoundedSemaphore(8)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFilter:
    """What to look for; `state` is a state, or `open` for every call that still waits for an answer."""

    state: str | None = None
    service_id: str | None = None
    operation: str | None = None
    before: int | None = None
    limit: int = 50


def note(runtime: Runtime, request: CallRequest, error: PatchbayError) -> None:
    """Put a call that has just ended unknown on the list, with its parameters sealed; never raises.

    A database that does not answer at once does not hold up the caller: the writing goes on behind its back. What
    cannot be written is found later by `collect`, then without parameters.
    """
    if error.call_id is None or not _writers.acquire(blocking=False):
        return
    writer = threading.Thread(target=_note, args=(runtime, request, error), name="reconcile", daemon=True)
    writer.start()
    writer.join(_PATIENCE_S)


def _note(runtime: Runtime, request: CallRequest, error: PatchbayError) -> None:
    assert error.call_id is not None
    try:
        with runtime.sessions() as session:
            session.add(_noted(session, runtime, request, error, error.call_id))
            session.commit()
    except IntegrityError:
        _log.info("Call %s is on the reconcile list already.", error.call_id)
    except Exception as problem:  # noqa: BLE001 - the call is over; its record stands whatever happens here
        _log.warning("Call %s is put on the reconcile list later: %s", error.call_id, type(problem).__name__)
    finally:
        _writers.release()


def _noted(
    session: Session, runtime: Runtime, request: CallRequest, error: PatchbayError, call_id: int
) -> ReconcileItem:
    unsure = next((one for one in error.attempts if one.get("outcome") == "unknown"), {})
    service_type = str(unsure.get("service_type") or "") or None
    to = _recipient(request.params)
    item = ReconcileItem(
        call_id=call_id,
        created_at=runtime.clock.now(),
        operation=request.operation.name,
        service_id=unsure.get("service_id"),
        service_type=service_type,
        integration_point=request.point,
        correlation_id=request.correlation_id,
        caller=request.caller,
        recipient_mask=mask_recipient(to)[:_RECIPIENT_MAX] if to else None,
        code=error.cause_code,
        params_id=_sealed(session, runtime, request, call_id),
        lookups=0,
    )
    _await_vendor(item, runtime)
    return item


def collect(runtime: Runtime) -> int:
    """Put calls on the list that ended unknown while nobody could note it: their process had died."""
    now = runtime.clock.now()
    rows = runtime.log.unknown_calls(id_at(now - _COLLECTED))
    for row in rows:
        with runtime.sessions() as session:
            session.add(_collected(row, now))
            try:
                session.commit()
            except IntegrityError:
                session.rollback()
    return len(rows)


def _collected(row: Mapping[Any, Any], now: datetime) -> ReconcileItem:
    names = (
        "call_id",
        "operation",
        "service_id",
        "service_type",
        "integration_point",
        "correlation_id",
        "caller",
    )
    problem = row["problem"] if isinstance(row["problem"], dict) else {}
    code = problem.get("cause_code") or row["code"]
    values = {name: row[name] for name in names}
    return ReconcileItem(**values, code=code, created_at=now, state="needs_attention", lookups=0)


def _await_vendor(item: ReconcileItem, runtime: Runtime) -> None:
    """Ask the vendor soon where that is possible, else wait for a person."""
    entry = runtime.catalog.get(item.service_type or "")
    asked = bool(entry and entry.adapter and entry.adapter.looks_up() and item.service_id and item.params_id)
    item.state = "waiting" if asked else "needs_attention"
    item.next_lookup_at = item.created_at + timedelta(seconds=DELAYS_S[0]) if asked else None


def _sealed(session: Session, runtime: Runtime, request: CallRequest, call_id: int) -> str | None:
    """The parameters, sealed as a secret of the item; None when the vault is locked or they are too long."""
    value = json.dumps(request.operation.dump(request.params), ensure_ascii=False)
    if len(value) > _PARAMS_MAX:
        return None
    try:
        secret = runtime.vault.seal(
            session, scope="reconcile", owner_type="reconcile", owner_id=str(call_id), field="params",
            value=value, actor=request.caller[:254],
        )  # fmt: skip
    except KeysLocked:
        return None
    return secret.id


def params_of(session: Session, runtime: Runtime, item: ReconcileItem) -> Mapping[str, Any] | None:
    """What the call asked for, while that is kept and can be opened."""
    if item.params_id is None:
        return None
    try:
        opened: dict[str, Any] = json.loads(runtime.vault.open(session, item.params_id))
    except VaultError as error:
        _log.warning("The parameters of call %s cannot be opened: %s", item.call_id, error)
        return None
    return opened


def forget_params(session: Session, item: ReconcileItem) -> None:
    """Delete what the call asked for: nobody needs it any more."""
    secret = session.get(Secret, item.params_id) if item.params_id else None
    item.params_id = None
    if secret is not None:
        session.flush()
        session.delete(secret)


def forget_old(runtime: Runtime) -> int:
    """Delete items as old as the call log gets, with their parameters; returns how many."""
    before = runtime.clock.now() - timedelta(days=runtime.config.log_retention_days)
    old = select(ReconcileItem).where(ReconcileItem.created_at < before).limit(500)
    with runtime.sessions() as session:
        items = session.scalars(old).all()
        for item in items:
            forget_params(session, item)
        ids = [item.call_id for item in items]
        session.execute(delete(ReconcileItem).where(ReconcileItem.call_id.in_(ids)))
        session.commit()
    return len(ids)


def find(session: Session, call_id: int) -> ReconcileItem | None:
    """The item of a call, or None when its outcome was never in doubt."""
    return session.get(ReconcileItem, call_id)


def search(session: Session, wanted: ReconcileFilter) -> tuple[Sequence[ReconcileItem], int | None]:
    """Items, newest first, and the call to continue before (None at the end)."""
    query = select(ReconcileItem).order_by(ReconcileItem.call_id.desc())
    if wanted.state:
        states = OPEN if wanted.state == "open" else (wanted.state,)
        query = query.where(ReconcileItem.state.in_(states))
    for name in ("service_id", "operation"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(ReconcileItem, name) == value)
    if wanted.before is not None:
        query = query.where(ReconcileItem.call_id < wanted.before)
    limit = max(1, min(wanted.limit, LIMIT_MAX))
    rows = session.scalars(query.limit(limit + 1)).all()
    items = rows[:limit]
    return items, items[-1].call_id if len(rows) > limit else None


def to_dict(item: ReconcileItem) -> dict[str, Any]:
    """An item as JSON; identifiers are strings, times in UTC, parameters are never in it."""
    names = (
        "state", "operation", "service_id", "service_type", "integration_point", "correlation_id", "caller",
        "recipient_mask", "code", "lookups", "decided_by", "note",
    )  # fmt: skip
    times = ("created_at", "next_lookup_at", "looked_up_at", "decided_at")
    said = item.lookup_message
    return {
        "call_id": str(item.call_id),
        "began_at": _time(moment_of(item.call_id)),
        **{name: getattr(item, name) for name in names},
        **{name: _time(getattr(item, name)) for name in times},
        "lookup_message": str(Message(said["msgid"], said["values"])) if said else None,
        "can_resend": item.params_id is not None and item.state in OPEN,
        "resent_call_id": str(item.resent_call_id) if item.resent_call_id else None,
    }


def operation_of(runtime: Runtime, item: ReconcileItem) -> Operation | None:
    """The operation of the call, unless no contract has it any more."""
    found = runtime.catalog.operation(item.operation)
    return found[1] if found else None


def _recipient(params: object) -> str | None:
    to = getattr(params, "to", None)
    first = to[0] if isinstance(to, (list, tuple)) and to else to
    return first if isinstance(first, str) else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
