"""The door to every external service: `hub.call("email.send", …)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.kit import Message, N_
from webapp.engine import reconcile, replay
from webapp.engine.behalf import CONTRACT, LinkUnusable
from webapp.engine.callkeys import earlier_result, key_hash
from webapp.engine.candidates import find_candidates
from webapp.engine.logging import process_secrets
from webapp.engine.problems import PatchbayError
from webapp.engine.recorder import StoreDown
from webapp.engine.request import CallRequest, read_request
from webapp.engine.result import Result
from webapp.engine.run import Run
from webapp.engine.trace import Step
from webapp.ids import call_id as new_id

if TYPE_CHECKING:
    from webapp.links.tokens import PersonToken
    from webapp.runtime import Runtime


class Hub:
    """Makes calls. One per process; any number of threads may call at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def call(
        self,
        operation: str,
        params: Mapping[str, Any] | object,
        *,
        prefer: Sequence[str] | str = (),
        point: str | None = None,
        deadline_ms: int | None = None,
        call_key: str | None = None,
        correlation_id: str | None = None,
        caller: str = "python",
        duplicates: str = "forbid",
        on_behalf_of: str | None = None,
        traceparent: str | None = None,
    ) -> Result:
        """Carry out an operation on the first of the preferred services that can do it.

        `prefer` names routes, service types, contracts or service ids, in order; without it every service of the
        operation's contract counts. `point` is the place in business code, `call_key` makes a repeated call harmless,
        `duplicates="allow"` lets a call whose outcome is unknown be tried on one more service. `on_behalf_of` is the id
        or email address of a person whose linked account is used. `traceparent` is the trace it belongs to, where
        traces are kept; without it the present one.

        Raises PatchbayError: its code is stable, its effect says whether anything may have been done.
        """
        request = read_request(
            self._runtime.catalog, operation, params, prefer=prefer, point=point, deadline_ms=deadline_ms,
            call_key=call_key, correlation_id=correlation_id, caller=caller, duplicates=duplicates,
            on_behalf_of=on_behalf_of,
        )  # fmt: skip
        call_id = new_id()
        run = Run(self._runtime, request, call_id)
        run.trace.add(Step.DEDUPE)
        if (telemetry := self._runtime.telemetry) is None:
            return self._make(run)
        return telemetry.call(run, traceparent, lambda: self._make(run))

    def _make(self, run: Run) -> Result:
        """Carry the call out, unless it was before."""
        return self._open(run.call_id, run.request) or self._go(run)

    def carry(self, request: CallRequest) -> Result:
        """Make a call of Patchbay's own, which nobody sends once more by hand; raises PatchbayError."""
        call_id = new_id()
        self._open(call_id, request)
        return Run(self._runtime, request, call_id).go()

    def token_for(self, person: str, service: str, *, point: str | None = None) -> PersonToken:
        """A fresh token of a person (an id or email address) at a service they linked an account of.

        `service` is a route, a service type or the id of a service; of several, the first with a link counts.
        `point` is the place in business code, and is shown to the person. Raises LinkUnusable.
        """
        runtime = self._runtime
        found = find_candidates(
            runtime.snapshots.current(), runtime.catalog, "oauth.userinfo", CONTRACT, (service,)
        )
        usable = [candidate.service_id for candidate in found if candidate.service_id and not candidate.skip]
        linked = runtime.links.services_of(person, usable)
        if not linked:
            raise LinkUnusable("LINK_MISSING", Message.of(N_("This person has linked no account there.")))
        token = runtime.links.token(person, linked[0])
        if not token.access_token.get_secret_value():
            raise LinkUnusable(
                "OPERATION_UNSUPPORTED", Message.of(N_("This provider has no tokens of persons."))
            )
        runtime.links.used(token, point)
        process_secrets.learn(
            (token.access_token.get_secret_value(),)
        )  # business code has it in clear from here on
        return token

    def _go(self, run: Run) -> Result:
        """Carry the call out; one whose outcome is unknown goes on the reconcile list before its caller hears of it."""
        try:
            return run.go()
        except PatchbayError as error:
            if error.code == "AMBIGUOUS_OUTCOME":
                reconcile.note(self._runtime, run.request, error)
            replay.keep(self._runtime, run, error)
            raise

    def _open(self, call_id: int, request: CallRequest) -> Result | None:
        """Put the call on record, or find what came of an earlier one under the same key."""
        hashed = key_hash(request)
        try:
            for _ in range(2):  # a key that has just become free is taken at the second try
                if self._runtime.recorder.open_call(call_id, request, hashed):
                    return None
                if hashed and (result := earlier_result(self._runtime, request, hashed)):
                    return result
        except StoreDown:
            if hashed is None:
                return None  # what the call may do without a record is decided when its safety is known
            message = Message.of(N_("The call could not be recorded, so it was not sent."))
            raise PatchbayError(
                "STATE_STORE_UNAVAILABLE",
                message,
                operation=request.operation.name,
                call_id=call_id,
                correlation_id=request.correlation_id,
            ) from None
        message = Message.of(N_("A call with this key is still running."))
        raise PatchbayError(
            "DUPLICATE_IN_PROGRESS", message, operation=request.operation.name, call_id=call_id
        )
