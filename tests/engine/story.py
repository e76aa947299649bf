"""What came of one call, and everything that has to be true of any call of the fault catalogue."""

from __future__ import annotations

from tests.engine.vendor import answer
from webapp.engine import PatchbayError, breaker

API_KEY = "SG-key-8fJ2kq0/Zx+w=="
SECRET = "bearer-of-the-service-8fJ2kq0/Zx+w=="
ORDER = {"method": "POST", "path": "/orders", "json": {"order": 42}}
OK = answer(200, {"ok": True})
CUT_MS = 1_000


class Story:
    """What came of one call, and everything that is on record about it."""

    def __init__(self, runtime, operation, params, prefer, **how):
        self.runtime, self.prefer = runtime, prefer
        try:
            self.end = runtime.hub.call(operation, params, prefer=prefer, **how)
            self.code = None
        except PatchbayError as error:
            self.end, self.code = error, error.code
        self.call = runtime.log.call(self.end.call_id)
        self.tries = [row for row in self.call.attempts if row.kind == "attempt"]

    @property
    def told(self):
        return [(row.code, row.effect, row.next) for row in self.tries]

    def failures(self, service_id):
        """Calls and failures that the breaker of a service has counted."""
        self.runtime.gates.breakers.forget_all()
        return breaker.totals(self.runtime.gates.breakers.look(service_id))[:2]

    def is_sound(self, caplog):
        """Slots and permits are back, times are measured, the outcome is kept, and no secret is anywhere."""
        gates = self.runtime.gates
        for service_id in self.prefer:
            assert gates.bulkhead.taken(service_id) == 0
            assert (gates.breakers.look(service_id) or {"permits": 0})["permits"] == 0
        assert all(row.duration_ms >= 0 and row.response_timestamp for row in self.tries)
        assert self.call.outcome in {"succeeded", "failed", "unknown"}
        shown = (self.call, [self.runtime.log.bodies(row.log_id) for row in self.tries], caplog.text)
        problem = self.end.to_problem() if self.code else self.end.to_dict()
        for secret in (SECRET, API_KEY):
            assert secret not in repr((shown, problem))
