"""Making a failed call again: its input, sealed while its service keeps it, and a new call that is linked to it.

The log keeps what was sent only with everything telling taken out, so nothing can be sent from there. A service that
says `keep_inputs` has the input of its failed calls sealed as secrets are, for as long as bodies are kept; and what may
have been done already is never made again from here.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from adapters.kit import Effect, Message, Safety, N_
from webapp.engine.problems import PatchbayError
from webapp.log.entries import CallEntry
from webapp.models.log_view import CallReplay, KeptInput
from webapp.models.secret import Secret
from webapp.registry.errors import Conflict, NotFound
from webapp.vault import audit
from webapp.vault.errors import KeysLocked, VaultError

if TYPE_CHECKING:
    from webapp.engine.run import Run
    from webapp.runtime import Runtime

CALLER = "replay"
_HARMLESS = frozenset((Safety.READ, Safety.IDEMPOTENT))
_NOT_DONE = frozenset((str(Effect.NONE), str(Effect.REJECTED)))
_MOST = 256 * 1024
_PATIENCE_S = 1.0
_writers = threading.BoundedSemaphore(8)
_log = logging.getLogger(__name__)

_PENDING = N_("The call has not ended yet.")
_DONE = N_("It was done; making it again would do it a second time.")
_UNKNOWN = N_("Nobody knows whether it was done. Say so on the reconcile list, or send it from there.")
_FOREIGN = N_("The operation does not exist any more.")
_NOT_KEPT = N_(
    "What it asked for is not kept: the service does not keep the input of calls, or its time is over."
)
_AGAIN = N_("It was made again already, and may have been done.")
_SEALED = N_("What it asked for cannot be opened now.")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of making a call again."""

    call_id: int
    outcome: str
    problem: PatchbayError | None = None


def keep(runtime: Runtime, run: Run, error: PatchbayError) -> None:
    """Seal the input of a call that failed, where a service it considered keeps it; never raises.

    A database that does not answer at once does not hold up the caller: the writing goes on behind its back.
    """
    if str(error.effect) not in _NOT_DONE and run.request.operation.safety not in _HARMLESS:
        return
    try:
        services = runtime.snapshots.current().services
    except SQLAlchemyError:
        return  # nobody knows the services, so none can have asked for it
    considered = [services.get(str(one.get("service_id"))) for one in run.trail.candidates]
    wanted = any(facts and facts.keep_inputs for facts in considered)
    if not wanted or run.request.on_behalf_of or not _writers.acquire(blocking=False):
        return
    writer = threading.Thread(target=_keep, args=(runtime, run), name="keep-input", daemon=True)
    writer.start()
    writer.join(_PATIENCE_S)


def _keep(runtime: Runtime, run: Run) -> None:
    request, call_id = run.request, run.call_id
    try:
        value = json.dumps(request.operation.dump(request.params), ensure_ascii=False)
        if len(value) > _MOST:
            return
        with runtime.sessions() as session:
            secret = runtime.vault.seal(
                session, scope="inputs", owner_type="input", owner_id=str(call_id), field="params",
                value=value, actor=request.caller[:254],
            )  # fmt: skip
            session.add(KeptInput(call_id=call_id, created_at=runtime.clock.now(), params_id=secret.id))
            session.commit()
    except KeysLocked:
        _log.info("The input of call %s is not kept: the keys are away.", call_id)
    except Exception as problem:  # noqa: BLE001 - the call is over; its record stands whatever happens here
        _log.warning("The input of call %s is not kept: %s", call_id, type(problem).__name__)
    finally:
        _writers.release()


def refusal(session: Session, runtime: Runtime, call: CallEntry) -> Message | None:
    """Why this call may not be made again; None when it may."""
    found = runtime.catalog.operation(call.operation)
    if call.outcome in {"pending", "succeeded"} or found is None:
        return Message.of({"pending": _PENDING, "succeeded": _DONE}.get(call.outcome, _FOREIGN))
    harmless = found[1].safety in _HARMLESS
    if not harmless and (call.outcome == "unknown" or call.effect not in _NOT_DONE):
        return Message.of(_UNKNOWN)
    if session.get(KeptInput, call.call_id) is None:
        return Message.of(_NOT_KEPT)
    before = () if harmless else again(session, call.call_id)
    return None if all(_certainly_failed(runtime, one.call_id) for one in before) else Message.of(_AGAIN)


def replay(runtime: Runtime, call_id: int, *, actor: str) -> Replayed:
    """Make a call again, as a new call that is linked to it. Raises NotFound, or Conflict with the reason.

    However many people ask at once, one new call is made: they share its key.
    """
    call = runtime.log.call(call_id)
    if call is None:
        raise NotFound(Message.of(N_("There is no such call.")), "NOT_FOUND")
    with runtime.sessions() as session:
        if reason := refusal(session, runtime, call):
            raise Conflict("REPLAY_REFUSED", reason)
        params = _opened(session, runtime, call_id)
        turn = session.scalar(select(func.count()).where(CallReplay.original_id == call_id))
    made = _make(runtime, call, params, f"replay:{call_id}:{turn}")
    _link(runtime, call_id, made, actor)
    return made


def again(session: Session, call_id: int) -> Sequence[CallReplay]:
    """The calls that were made by making this one again, oldest first."""
    query = select(CallReplay).where(CallReplay.original_id == call_id)
    return session.scalars(query.order_by(CallReplay.call_id)).all()


def origin(session: Session, call_id: int) -> CallReplay | None:
    """Which call this one repeats, if it repeats one."""
    return session.get(CallReplay, call_id)


def links(session: Session, call_id: int) -> dict[str, Any]:
    """The same as JSON: which call this one repeats, and which ones repeat it."""
    first = origin(session, call_id)
    return {
        "replay_of": str(first.original_id) if first else None,
        "replays": [
            {
                "call_id": str(one.call_id),
                "actor": one.actor,
                "created_at": one.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
            for one in again(session, call_id)
        ],
    }


def forget_old(runtime: Runtime) -> int:
    """Delete inputs as old as bodies get, and links as old as calls get; returns how many inputs."""
    now, config = runtime.clock.now(), runtime.config
    inputs = now - timedelta(days=config.log_body_retention_days)
    links = now - timedelta(days=config.log_retention_days)
    with runtime.sessions() as session:
        old = session.scalars(select(KeptInput).where(KeptInput.created_at < inputs).limit(500)).all()
        secrets = [one.params_id for one in old]
        session.execute(delete(KeptInput).where(KeptInput.call_id.in_([one.call_id for one in old])))
        session.execute(delete(Secret).where(Secret.id.in_(secrets)))
        session.execute(delete(CallReplay).where(CallReplay.created_at < links))
        session.commit()
    return len(old)


def _certainly_failed(runtime: Runtime, call_id: int) -> bool:
    call = runtime.log.call(call_id)
    return call is not None and call.outcome == "failed" and call.effect in _NOT_DONE


def _opened(session: Session, runtime: Runtime, call_id: int) -> Mapping[str, Any]:
    try:
        value = runtime.vault.open(session, session.get_one(KeptInput, call_id).params_id)
    except VaultError:
        raise Conflict("REPLAY_REFUSED", Message.of(_SEALED)) from None
    opened: dict[str, Any] = json.loads(value)
    return opened


def _make(runtime: Runtime, call: CallEntry, params: Mapping[str, Any], key: str) -> Replayed:
    """Through the same names as before, so that a route leads where it leads now."""
    names = dict.fromkeys(str(one["via"]) for one in call.candidates if one.get("via"))
    try:
        result = runtime.hub.call(
            call.operation,
            params,
            prefer=list(names),
            point=call.integration_point,
            correlation_id=call.correlation_id,
            call_key=key,
            caller=CALLER,
        )
    except PatchbayError as problem:
        if problem.code == "DUPLICATE_IN_PROGRESS" or problem.call_id is None:
            raise Conflict("REPLAY_REFUSED", problem.detail) from None
        outcome = "unknown" if str(problem.effect) in {"UNKNOWN", "DONE"} else "failed"
        return Replayed(problem.call_id, outcome, problem)
    return Replayed(result.call_id, result.outcome)


def _link(runtime: Runtime, original_id: int, made: Replayed, actor: str) -> None:
    with runtime.sessions() as session:
        if session.get(CallReplay, made.call_id) is None:
            link = CallReplay(
                call_id=made.call_id, original_id=original_id, created_at=runtime.clock.now(), actor=actor
            )
            session.add(link)
        detail = {"call_id": str(made.call_id), "outcome": made.outcome}
        audit.append(
            session, runtime, actor=actor, action="logs.replay", target=str(original_id), detail=detail
        )
        session.commit()
