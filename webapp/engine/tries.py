"""The tries of one call on one service: gates, attempt, decision, and again while that is safe and in time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from adapters.kit import Message, Safety, N_
from webapp.engine import ending, retry
from webapp.engine.attempt import Attempt, begin_attempt, out_of_time, where
from webapp.engine.behalf import OnBehalf
from webapp.engine.candidates import Candidate, Skip
from webapp.engine.classify import Allowed, Next, Verdict, allowed
from webapp.engine.gates import Load, Passage
from webapp.engine.judge import judge
from webapp.engine.opening import Opened, open_candidate
from webapp.engine.recorder import StoreDown, safe_message
from webapp.engine.standby import StandBy
from webapp.engine.trace import Step

if TYPE_CHECKING:
    from webapp.engine.run import Run

_LATE = N_("No time was left to try it.")
_log = logging.getLogger(__name__)


class Tries:
    """Used once. `others` is how many services can still be tried after this one."""

    def __init__(self, run: Run, place: int, candidate: Candidate, others: int) -> None:
        self.run = run
        self.place = place
        self.candidate = candidate
        self.others = others
        self._key = candidate.service_id or ""
        self._policy = retry.Policy.of(candidate.retry_policy)
        self._gates = run.runtime.gates
        self._stand_by = StandBy(run.runtime, candidate)
        self._behalf = OnBehalf(run.runtime, run.request, candidate)
        self._count = 0

    def go(self) -> Attempt | None:
        """The last attempt, its `next` saying what follows; None when the service could not be tried at all."""
        last: Attempt | None = None
        while True:
            attempt = self._once(last)
            if not isinstance(attempt, Attempt):
                return self._held(attempt, last)
            if attempt.next is not Next.RETRY:
                return attempt
            self.run.runtime.clock.sleep(attempt.wait_s)
            last = attempt

    def _once(self, last: Attempt | None) -> Attempt | Skip | None:
        """One attempt, or the gate that kept it back; None when it is the retry budget that did."""
        run = self.run
        run.trace.add(Step.GATE)
        opened = self._open()
        if isinstance(opened, Skip):
            return opened
        run.trace.add(Step.TRY)
        if last is not None:
            run.trace.add(Step.BUDGET)
            if not self._gates.budget.spend(self._key):
                run.trail.retry_suppressed_by = "budget"
                return None
        attempt = self._prepare(opened)
        passage = self._gates.enter(self.candidate, self._load(attempt), run.deadline.remaining, run.trace)
        if isinstance(passage, Skip):
            return passage
        with passage:
            if not run.deadline.allows_attempt():
                return Skip("DEADLINE_EXCEEDED", Message.of(_LATE))
            self._carry_out(attempt, passage)
        return attempt

    def _open(self) -> Opened | Skip:
        """The service as it is now, unless something visible from outside forbids it."""
        opened = self._stand_by.opened or open_candidate(self.run.runtime, self.candidate)
        if isinstance(opened, Skip):
            return opened
        signs = self._gates.signs(self.candidate, Load(self.run.request.operation.name))
        held = judge(self.candidate, signs, self.run.deadline.remaining())
        return held or self._behalf.open(opened, self.run.deadline.remaining())

    def _prepare(self, opened: Opened) -> Attempt:
        run = self.run
        attempt = begin_attempt(
            run.runtime, run.request, run.deadline, self.candidate, opened,
            call_id=run.call_id, number=len(run.trail.attempts) + 1, candidate_no=self.place,
        )  # fmt: skip
        attempt.wire.behalf = self._behalf.behalf
        attempt.prepare(age_s=run.deadline.elapsed_ms() / 1000)
        attempt.recipient = attempt.recipient or self._behalf.email
        return attempt

    def _load(self, attempt: Attempt) -> Load:
        quotas = self.candidate.quotas
        by_recipient = bool(quotas and quotas.get("recipient_calls") and attempt.recipient)
        recipient = self.run.runtime.log.hash_recipient(attempt.recipient or "") if by_recipient else None
        return Load(self.run.request.operation.name, attempt.units, recipient)

    def _carry_out(self, attempt: Attempt, passage: Passage) -> None:
        """Begin record, send, decide, end record: in this order, whatever happens in between."""
        run, clock = self.run, self.run.runtime.clock
        run.trace.add(Step.INTENT)
        self._record_begin(attempt)
        run.trace.add(Step.TIMEOUT)
        attempt.wire.restart()
        run.sending = True
        began = clock.monotonic()
        run.trace.add(Step.SEND)
        if (telemetry := run.runtime.telemetry) is None:
            attempt.send()
        else:
            telemetry.send(attempt)
        took_s = clock.monotonic() - began
        run.trace.add(Step.CLASSIFY)
        verdict = attempt.verdict = attempt.verdict or out_of_time()
        self._count += 1
        run.trace.add(Step.FEEDBACK)
        advice = self._settle(attempt, verdict, passage, took_s)
        self._behalf.after(verdict)
        attempt.next, attempt.wait_s = self._decide(attempt, verdict, advice)
        run.trace.add(Step.RECORD)
        self._record_end(attempt, verdict, round(took_s * 1000))
        run.sending = False
        run.trace.add(Step.DECIDE)

    def _settle(self, attempt: Attempt, verdict: Verdict, passage: Passage, took_s: float) -> bool | None:
        """Tell the gates; returns the vendor's advice about trying again. The outcome stands whatever happens here."""
        headers = attempt.exchange.response_headers if attempt.exchange else {}
        try:
            said = passage.settle(
                verdict, headers, took_s=took_s, timeout_s=attempt.wire.attempt_timeout_s,
                first=attempt.number == 1,
            )  # fmt: skip
        except Exception as bug:  # noqa: BLE001 - counting is ours; the vendor has already acted
            _log.error("The gates could not learn from attempt %s: %s", attempt.log_id, where(bug))
            return None
        return said.should_retry

    def _decide(self, attempt: Attempt, verdict: Verdict, advice: bool | None) -> tuple[Next, float]:
        """What follows, and the seconds to wait before a retry."""
        if verdict.code is None:
            return Next.DONE, 0.0
        if self.run.trail.maybe_done is None and self._another_credential(attempt, verdict):
            return Next.RETRY, 0.0
        options = self._allowed(attempt, verdict, advice)
        if options.retry:
            plan = retry.plan(
                verdict,
                self._policy,
                here=self._count,
                in_call=len(self.run.trail.attempts) + 1,
                remaining_s=self.run.deadline.remaining(),
                others=self.others if options.failover else 0,
                rng=self._gates.rng,
            )
            if plan.wait_s is not None:
                if self._gates.budget.has(self._key):
                    return Next.RETRY, plan.wait_s
                self.run.trail.retry_suppressed_by = "budget"
        unsure = verdict.outcome(attempt.safety) == "unknown" or self.run.trail.maybe_done is not None
        return self._elsewhere(options, len(self.run.trail.attempts) + 1, unsure=unsure), 0.0

    def _another_credential(self, attempt: Attempt, verdict: Verdict) -> bool:
        """Whether there is another one to try: of the person the call is made for, else of the service."""
        if self._behalf.behalf is not None:
            return self._behalf.offer(verdict)
        return self._stand_by.offer(verdict, attempt.opened)

    def _allowed(self, attempt: Attempt, verdict: Verdict, advice: bool | None = None) -> Allowed:
        trail = self.run.trail
        return allowed(
            verdict,
            attempt.safety,
            may_duplicate=self.run.request.may_duplicate and not trail.duplicate_risk,
            pinned=trail.maybe_done is not None,
            advice=advice,
        )

    def _elsewhere(self, options: Allowed, in_call: int, *, unsure: bool) -> Next:
        """Another service, if that is allowed and one is left; else the end."""
        fits = in_call < retry.MOST_PER_CALL and self.run.deadline.allows_attempt()
        if options.failover and self.others > 0 and fits:
            self.run.trail.duplicate_risk |= unsure
            return Next.FAILOVER
        return Next.RECONCILE if unsure else Next.STOP

    def _held(self, skip: Skip | None, last: Attempt | None) -> Attempt | None:
        """A gate ended the tries: note it, and go elsewhere with the last attempt where that is safe."""
        run = self.run
        if skip is not None:
            run.held = True
            run.trail.skip(self.place, skip)
            run.runtime.recorder.skip(run.call_id, run.request, self.candidate, skip, self.place)
        if last is None:
            return None
        assert last.verdict is not None
        unsure = run.trail.maybe_done is not None
        last.next = self._elsewhere(self._allowed(last, last.verdict), len(run.trail.attempts), unsure=unsure)
        run.stopped = skip
        return last

    def _record_begin(self, attempt: Attempt) -> None:
        """Nothing that cannot be repeated is sent without a trace of it on disk."""
        try:
            self.run.runtime.recorder.begin(attempt)
        except StoreDown:
            if attempt.safety in {Safety.UNSAFE, Safety.KEYED}:
                raise self.run.store_down() from None

    def _record_end(self, attempt: Attempt, verdict: Verdict, duration_ms: int) -> None:
        message = verdict.message
        told = safe_message(message, attempt.opened.redactor) if message else None
        self.run.trail.tried(attempt, duration_ms, told)
        end = ending.success(self.run, attempt) if attempt.next is Next.DONE else None
        self.run.runtime.recorder.end(attempt, duration_ms, end)
