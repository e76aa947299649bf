"""Run a drill: every scenario against the first service of the route, the others healthy, and a score for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from adapters.kit import Message, N_
from webapp.drill.scenarios import SCENARIOS, Scenario, params_for
from webapp.drill.stage import Set, built, originals
from webapp.drill.vendors import stage_for
from webapp.engine.problems import PatchbayError
from webapp.registry.errors import Conflict
from webapp.runtime import Runtime

DEADLINE_MS = 12_000
CONNECT_MS = 3_000
WHOLE_S = 50.0
BURST = 7
MOST_RECOVERY_CALLS = 4
_CALM_S = 3_700.0
_one = threading.Lock()


@dataclass(frozen=True, slots=True)
class Called:
    """What one call of a drill came to."""

    token: str
    outcome: str
    code: str | None
    service_id: str | None
    attempts: int
    duration_ms: int


@dataclass(slots=True)
class Score:
    """What came of one scenario: its first call, all duplicates, the breaker and the recovery."""

    key: str
    label: str
    attempts: int = 0
    duration_ms: int = 0
    outcome: str = ""
    code: str | None = None
    calls: int = 0
    duplicates: int = 0
    breaker: str = "closed"
    recovered_after: int | None = None
    complaints: list[Message] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything was as it must be."""
        return not self.complaints

    def to_dict(self) -> dict[str, object]:
        """The score as JSON-ready members."""
        members = {name: getattr(self, name) for name in _PLAIN}
        return members | {"ok": self.ok, "complaints": [str(complaint) for complaint in self.complaints]}


_PLAIN = (
    "key", "label", "attempts", "duration_ms", "outcome", "code", "calls", "duplicates", "breaker", "recovered_after",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    """Who plays a service of the route."""

    name: str
    service_type: str
    played_by: str
    stand_in: bool


@dataclass
class Drill:
    """One drill of a route; iterating over `scores()` carries it out."""

    route: str
    roles: list[Role]
    _runtime: Runtime

    @classmethod
    def of(cls, runtime: Runtime, name: str) -> Drill:
        """Look at the route; raises NotFound or Conflict (NOTHING_TO_DRILL) before anything is built."""
        contract, copies = originals(runtime, name)
        roles = []
        for copy in copies:
            stage = stage_for(contract, copy.service_type)
            assert stage is not None
            differs = stage.service_type != copy.service_type
            roles.append(Role(copy.name, copy.service_type, stage.service_type, differs))
        return cls(name, roles, runtime)

    def scores(self) -> Iterator[Score]:
        """Build the set, play every scenario, and take it down; raises Conflict (DRILL_RUNNING) when one runs here."""
        if not _one.acquire(blocking=False):
            raise Conflict("DRILL_RUNNING", Message.of(N_("A drill is running already; wait for its end.")))
        try:
            contract, copies = originals(self._runtime, self.route)
            began = time.monotonic()
            with built(contract, self.route, copies) as place:
                player = _Player(place)
                for scenario in SCENARIOS:
                    if time.monotonic() - began > WHOLE_S:
                        yield _left_out(scenario)
                    else:
                        yield player.play(scenario)
        finally:
            _one.release()


def _left_out(scenario: Scenario) -> Score:
    return Score(scenario.key, scenario.label, complaints=[Message.of(N_("There was no time left for it."))])


class _Player:
    """Plays scenarios one after the other in one set."""

    def __init__(self, place: Set) -> None:
        self._place = place
        self._first = place.actors[0]
        self._tokens = count(10_000_000)
        self._calls: list[Called] = []

    def play(self, scenario: Scenario) -> Score:
        """Break the first service, call, look, mend it, call until it works again."""
        self._calm_down()
        score, self._calls = Score(scenario.key, scenario.label), []
        for _ in range(scenario.good_before):
            self._call()
        self._break(scenario)
        first = self._call()
        for _ in range(BURST - 1 if scenario.opens else 2):
            self._call()
        score.breaker = self._breaker()
        self._mend()
        score.recovered_after = self._recover()
        score.attempts, score.duration_ms = first.attempts, first.duration_ms
        score.outcome, score.code, score.calls = first.outcome, first.code, len(self._calls)
        score.duplicates = sum(max(0, self._done(call) - 1) for call in self._calls)
        score.complaints = list(self._complaints(scenario, score))
        return score

    def _call(self) -> Called:
        token = str(next(self._tokens))
        operation, params = params_for(self._place.contract, token)
        clock = self._place.clock
        began = clock.monotonic()
        try:
            result = self._place.runtime.hub.call(
                operation, params, prefer=self._place.route, deadline_ms=DEADLINE_MS, caller="drill"
            )
            outcome, code, service_id, attempts = result.outcome, None, result.service_id, result.attempts
        except PatchbayError as problem:
            outcome = "unknown" if problem.code == "AMBIGUOUS_OUTCOME" else "failed"
            code, service_id, attempts = problem.cause_code or problem.code, None, len(problem.attempts)
        took_ms = round((clock.monotonic() - began) * 1000)
        called = Called(token, outcome, code, service_id, attempts, took_ms)
        self._calls.append(called)
        return called

    def _break(self, scenario: Scenario) -> None:
        if scenario.dies:
            self._first.vendor.stop()
        else:
            self._first.vendor.turn(**scenario.knobs)

    def _mend(self) -> None:
        self._first.vendor.turn()
        self._first.vendor.restart()
        gates, key = self._place.runtime.gates, self._first.service_id
        self._place.clock.skip(max(gates.breakers.wait(key), gates.limiter.cool_s(key)) + 1.0)

    def _recover(self) -> int | None:
        """How many calls it takes until the first service does the work again."""
        for number in range(1, MOST_RECOVERY_CALLS + 1):
            if self._call().service_id == self._first.service_id:
                return number
        return None

    def _calm_down(self) -> None:
        """Forget the scenario before: what was counted, and every wait a vendor asked for."""
        self._place.clock.skip(_CALM_S)
        self._place.runtime.gates.reset(self._first.service_id)

    def _breaker(self) -> str:
        doc = self._place.runtime.gates.breakers.look(self._first.service_id)
        return str(doc["state"]) if doc else "closed"

    def _done(self, call: Called) -> int:
        return sum(actor.vendor.done(call.token) for actor in self._place.actors)

    def _complaints(self, scenario: Scenario, score: Score) -> Iterator[Message]:
        if score.duplicates:
            yield Message.of(N_("Something was done twice: %(count)s times."), count=score.duplicates)
        if any(not self._truthful(call) for call in self._calls):
            yield Message.of(N_("An outcome did not say what the vendors had done."))
        if any(call.duration_ms > DEADLINE_MS + CONNECT_MS for call in self._calls):
            yield Message.of(N_("A call took longer than its deadline."))
        if len(self._place.actors) > 1 and any(call.outcome == "failed" for call in self._calls):
            yield Message.of(N_("A call failed although another service could have taken it."))
        if (score.breaker == "open") is not (scenario.opens and not self._understood(scenario)):
            yield Message.of(N_("The breaker was %(state)s in the end."), state=score.breaker)
        if score.recovered_after is None:
            yield Message.of(N_("The service was not used again after it had recovered."))

    def _understood(self, scenario: Scenario) -> bool:
        """Whether it is no failure to this adapter: plain HTTP takes any answer."""
        broken = self._calls[scenario.good_before]
        return broken.service_id == self._first.service_id

    def _truthful(self, call: Called) -> bool:
        done = self._done(call)
        return {"succeeded": done >= 1, "failed": done == 0}.get(call.outcome, True)
