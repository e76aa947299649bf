"""Asking vendors what became of calls: after 5 s, 15 s, 1 min, 5 min, 30 min and 2 h, then a person has to look."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from adapters.kit import Fault, Lookup, Operation, ParamsInvalid, Sent, Wire, N_
from webapp.engine.attempt import vendor_key, where
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.opening import open_candidate
from webapp.engine.reconcile import DELAYS_S, operation_of, params_of
from webapp.engine.recorder import safe_message
from webapp.engine.settling import close_by_vendor
from webapp.ids import moment_of
from webapp.models.reconcile import ReconcileItem
from webapp.models.service import ThirdPartyServiceConfiguration as Service

if TYPE_CHECKING:
    from webapp.runtime import Runtime

TIMEOUT_S = 8.0
_MOST_AT_ONCE = 20
_OUTCOMES = {"done": "succeeded", "not_done": "failed"}
_log = logging.getLogger(__name__)


def look_up_due(runtime: Runtime) -> int:
    """Ask about every call whose time has come, one after the other; returns how many were asked about."""
    with runtime.sessions() as session:
        due = select(ReconcileItem.call_id).where(
            ReconcileItem.state == "waiting", ReconcileItem.next_lookup_at <= runtime.clock.now()
        )
        call_ids: Sequence[int] = session.scalars(
            due.order_by(ReconcileItem.next_lookup_at).limit(_MOST_AT_ONCE)
        ).all()
    return sum(look_up(runtime, call_id) for call_id in call_ids)


def look_up(runtime: Runtime, call_id: int) -> bool:
    """Ask the vendor about one call and write down what it says; False when another process does so already."""
    with runtime.sessions() as session:
        item = session.get(ReconcileItem, call_id)
        if item is None or not _claim(session, item, runtime.clock.now()):
            return False
        session.commit()
        params = params_of(session, runtime, item)
        name = session.scalar(select(Service.service_name).where(Service.service_id == item.service_id))
    found = _ask(runtime, item, params, name)
    _write(runtime, call_id, found)
    return True


def _claim(session: Any, item: ReconcileItem, now: datetime) -> bool:
    """Count this time and set the next one before asking, so that a crash cannot ask for ever."""
    asked = item.lookups + 1
    following = item.created_at + timedelta(seconds=DELAYS_S[asked]) if asked < len(DELAYS_S) else None
    change = (
        update(ReconcileItem)
        .where(ReconcileItem.call_id == item.call_id, ReconcileItem.lookups == item.lookups)
        .where(ReconcileItem.state == "waiting")
        .values(lookups=asked, next_lookup_at=following, looked_up_at=now)
    )
    return bool(session.execute(change).rowcount)


def _ask(runtime: Runtime, item: ReconcileItem, params: Mapping[str, Any] | None, name: str | None) -> Lookup:
    """The vendor's answer; whatever goes wrong with the question leaves the call as unclear as before."""
    operation = operation_of(runtime, item)
    if operation is None or params is None:
        return Lookup.unclear(N_("What this call asked for is not kept."))
    candidate = Candidate(item.service_id or "", item.service_id, name, item.service_type)
    opened = open_candidate(runtime, candidate)
    if isinstance(opened, Skip):
        return Lookup.unclear(opened.reason)
    wire = Wire.for_check(runtime.policy, clock=runtime.clock, timeout_s=TIMEOUT_S)
    try:
        with wire:
            adapter = opened.adapter(opened.config, wire)
            found = adapter.lookup(operation, operation.parse(params), _sent(item, operation))
    except Fault as fault:
        return Lookup.unclear(safe_message(fault.message, opened.redactor))
    except ParamsInvalid:
        return Lookup.unclear(N_("What this call asked for does not fit its operation any more."))
    except Exception as bug:  # noqa: BLE001 - an adapter may raise anything; its words may hold a secret
        _log.error("The lookup of call %s was broken off by %s", item.call_id, where(bug))
        return Lookup.unclear(N_("The adapter made a mistake; the cause is in the process log."))
    return found


def _sent(item: ReconcileItem, operation: Operation) -> Sent:
    return Sent(vendor_key(item.call_id, item.service_id, operation.name), moment_of(item.call_id))


def _write(runtime: Runtime, call_id: int, found: Lookup) -> None:
    """Take the vendor's word, or wait for the next time; after the last one a person has to look."""
    with runtime.sessions() as session:
        item = session.get_one(ReconcileItem, call_id, with_for_update=True)
        if item.state != "waiting":
            return  # somebody decided meanwhile
        item.lookup_message = found.message.to_dict()
        if found.outcome in _OUTCOMES:
            close_by_vendor(session, runtime, item, _OUTCOMES[found.outcome])
        elif item.next_lookup_at is None:
            item.state = "needs_attention"
        session.commit()
