"""One try of a call on one service: build the adapter, send, read the answer, name what happened."""

from __future__ import annotations

import hashlib
import logging
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.kit import Adapter, Effect, Exchange, Fault, Message, Safety, Wire, N_
from webapp.engine import classify
from webapp.engine.candidates import Candidate
from webapp.engine.classify import Verdict
from webapp.engine.deadline import Deadline
from webapp.engine.opening import Opened
from webapp.engine.quota import price_of
from webapp.engine.request import CallRequest
from webapp.ids import call_id as new_id

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_KEY_TRUST = 0.8
_log = logging.getLogger(__name__)


@dataclass
class Attempt:
    """One attempt, before and after it was sent."""

    call_id: int
    number: int
    candidate_no: int
    candidate: Candidate
    opened: Opened
    wire: Wire
    request: CallRequest
    log_id: int = field(default_factory=new_id)
    adapter: Adapter | None = None
    safety: Safety = Safety.UNSAFE
    recipient: str | None = None
    endpoint: str | None = None
    verdict: Verdict | None = None
    result: dict[str, object] | None = None
    next: classify.Next = classify.Next.STOP
    units: int = 1
    wait_s: float = 0.0  # before the next try

    @property
    def exchange(self) -> Exchange | None:
        """The last request and reply that went over the wire."""
        return self.wire.exchanges[-1] if self.wire.exchanges else None

    @property
    def cost(self) -> int | None:
        """What it cost, in millionths; nothing when the vendor never saw it, None without a price."""
        price = price_of(self.candidate.quotas, self.request.operation.name, self.units)
        unseen = self.verdict is not None and self.verdict.effect is Effect.NONE
        return 0 if price and unseen else price

    def prepare(self, age_s: float) -> None:
        """Build the adapter and learn what the begin record says; a mistake in it is a verdict, not a crash.

        `age_s` is how long ago the call began, and with it its key for the vendor.
        """
        try:
            adapter = self.opened.adapter(self.opened.config, self.wire)
            self.safety = self._safety(adapter, age_s)
            self.units = max(0, adapter.cost(self.request.operation, self.request.params))
            self.recipient = adapter.recipient(self.request.params)
            place = adapter.endpoint()
            self.endpoint = f"{place.host}:{place.port}" if place else None
            self.adapter = adapter
            self.wire.safety = self.safety
        except Fault as fault:
            self.verdict = classify.of_fault(fault)
        except Exception as bug:  # noqa: BLE001 - an adapter may raise anything; none of it may reach the caller
            self._bug(bug)

    def _safety(self, adapter: Adapter, age_s: float) -> Safety:
        """A key that the vendor may soon forget protects nothing."""
        safety = adapter.safety_of(self.request.operation, self.request.params)
        keyed = safety is Safety.KEYED and age_s > _KEY_TRUST * adapter.key_ttl_s
        return Safety.UNSAFE if keyed else safety

    def send(self) -> None:
        """Run the operation; afterwards `verdict` says what happened and `result` what came back."""
        if self.verdict:
            return
        operation = self.request.operation
        try:
            with self.wire:
                answer = getattr(self.adapter, operation.method)(self.request.params)
            self.result = operation.dump(answer)
            self.verdict = classify.SUCCESS
        except Fault as fault:
            self.verdict = classify.of_fault(fault)
        except Exception as bug:  # noqa: BLE001 - as above
            self._bug(bug)

    def _bug(self, bug: Exception) -> None:
        """Only the type and the place go to the process log: the words of an exception may hold a secret."""
        self.verdict = classify.of_bug("sent" if self.wire.exchanges else self.wire.phase)
        _log.error("Adapter %s: %s (log id %s)", self.candidate.service_type, where(bug), self.log_id)


def where(bug: Exception) -> str:
    """The kind and the place of a mistake, without its words."""
    frames = traceback.extract_tb(bug.__traceback__)[-3:]
    places = (f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(bug).__name__} at {' < '.join(places)}"


def begin_attempt(
    runtime: Runtime, request: CallRequest, deadline: Deadline, candidate: Candidate, opened: Opened,
    *, call_id: int, number: int, candidate_no: int,
) -> Attempt:  # fmt: skip
    """An attempt with its wire: its own time within the deadline and its own stable vendor key."""
    wire = Wire.for_call(
        runtime.policy,
        clock=runtime.clock,
        deadline=deadline.ends,
        attempt_timeout_s=deadline.attempt_timeout(candidate.timeout_ms),
        idempotency_key=vendor_key(call_id, candidate.service_id, request.operation.name),
    )
    return Attempt(call_id, number, candidate_no, candidate, opened, wire, request)


def vendor_key(call_id: int, service_id: str | None, operation: str) -> str:
    """32 hexadecimal characters, the same for every attempt of a call on a service, different on another one."""
    return hashlib.sha256(f"{call_id}\0{service_id}\0{operation}".encode()).hexdigest()[:32]


def out_of_time() -> Verdict:
    """The verdict when an attempt is not even begun."""
    message = Message.of(N_("The time for the call ran out before another attempt could begin."))
    return Verdict("DEADLINE_EXCEEDED", Effect.NONE, message)
