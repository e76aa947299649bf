"""One call from its candidates to its outcome: services in order, tries of each, one decision after each try."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from adapters.kit import Effect, Message, N_
from webapp.engine import ending, retry
from webapp.engine.attempt import Attempt, where
from webapp.engine.candidates import MOST_TRIED, Candidate, Skip, find_candidates
from webapp.engine.classify import Next
from webapp.engine.deadline import Deadline
from webapp.engine.problems import PatchbayError
from webapp.engine.request import CallRequest
from webapp.engine.result import Result
from webapp.engine.trace import Step
from webapp.engine.trail import Trail
from webapp.engine.tries import Tries

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_log = logging.getLogger(__name__)


class Run:
    """The state of one call while it runs. Used once, by one thread."""

    def __init__(self, runtime: Runtime, request: CallRequest, call_id: int) -> None:
        self.runtime = runtime
        self.request = request
        self.call_id = call_id
        self.trail = Trail()
        self.trace = self.trail.trace
        self.trace.add(Step.VALIDATE, Step.DEADLINE)
        self.deadline = Deadline.after(runtime.clock, request.deadline_ms)
        self.sending = False
        self.stopped: Skip | None = None
        self.held = False
        self.routes: Collection[str] = ()
        self._tried = 0

    def go(self) -> Result:
        """Try the candidates in order until one succeeds or none may be tried any more.

        Raises PatchbayError when the call does not succeed; the outcome is on record either way.
        """
        try:
            return self._try_all()
        except PatchbayError:
            raise
        except Exception as bug:  # noqa: BLE001 - a mistake of ours must not leave the call without an outcome
            raise self._break_off(bug) from None

    def _try_all(self) -> Result:
        last: Attempt | None = None
        candidates = self._candidates()
        for place, candidate in enumerate(candidates, start=1):
            self.trace.add(Step.CANDIDATE)
            if candidate.skip or not self._may_begin(place):
                continue
            attempt = Tries(self, place, candidate, others=self._usable(candidates[place:])).go()
            if attempt is None:
                continue
            last = attempt
            self._tried += 1
            if attempt.next is Next.DONE:
                return self._succeed(attempt)
            if attempt.next is not Next.FAILOVER:
                break
        raise self._fail(last)

    def _candidates(self) -> Sequence[Candidate]:
        request = self.request
        try:
            snapshot = self.runtime.snapshots.current()
            found = find_candidates(
                snapshot, self.runtime.catalog, request.operation.name, request.contract, request.prefer
            )
        except SQLAlchemyError:
            raise self.store_down() from None
        self.routes = snapshot.routes
        self.trail.list_candidates(found)
        return found

    def _may_begin(self, place: int) -> bool:
        """Whether numbers and time allow another service; if not, that is its reason."""
        if self._tried >= MOST_TRIED or len(self.trail.attempts) >= retry.MOST_PER_CALL:
            reason = Message.of(N_("Enough services were tried."))
            self.trail.skip(place, Skip("NO_PROVIDER_AVAILABLE", reason))
            return False
        if not self.deadline.allows_attempt():
            self.trail.skip(place, Skip("DEADLINE_EXCEEDED", Message.of(N_("No time was left to try it."))))
            return False
        return True

    def _usable(self, rest: Sequence[Candidate]) -> int:
        """How many of the services that come after this one can still be tried."""
        return min(sum(candidate.skip is None for candidate in rest), MOST_TRIED - self._tried - 1)

    def store_down(self) -> PatchbayError:
        """The outcome when the call cannot be recorded."""
        message = Message.of(N_("The call could not be recorded, so it was not sent."))
        if self.trail.maybe_done:
            error = ending.ambiguous(self)
        else:
            error = ending.problem(self, "STATE_STORE_UNAVAILABLE", message, effect=Effect.NONE)
        self.runtime.recorder.close_call(self.call_id, ending.failure(self, error))
        return error

    def _break_off(self, bug: Exception) -> PatchbayError:
        """The outcome after a mistake of ours; only its kind and place are told, its words may hold a secret."""
        _log.error("Call %s was broken off by %s", self.call_id, where(bug))
        if self.sending:
            self.trail.maybe_done = "INTERNAL_ERROR"
            error = ending.ambiguous(self)
        else:
            message = Message.of(N_("Patchbay made a mistake; the cause is in the process log."))
            error = ending.problem(self, "INTERNAL_ERROR", message, effect=Effect.NONE)
        self.runtime.recorder.close_call(self.call_id, ending.failure(self, error))
        return error

    def _succeed(self, attempt: Attempt) -> Result:
        candidate = attempt.candidate
        return Result(
            self.call_id, "succeeded", candidate.service_id, candidate.service_type,
            attempt.opened.redactor.known_in(attempt.result or {}),
            len(self.trail.attempts), self.deadline.elapsed_ms(), self.request.correlation_id,
        )  # fmt: skip

    def _fail(self, last: Attempt | None) -> PatchbayError:
        """The problem of a call that did not succeed, on record before anyone hears of it."""
        error = ending.explain(self, last, self.stopped)
        self.runtime.recorder.close_call(self.call_id, ending.failure(self, error))
        if last is None and not self.held:
            self.runtime.recorder.refuse(self.call_id, self.request, error)
        return error
