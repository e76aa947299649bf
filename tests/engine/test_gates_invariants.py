"""Whatever services do, in whatever order: nothing is sent twice that must not be, and every call ends in time."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.http import HttpService, Request, Response
from adapters.kit import Catalog, Effect, Fault, FixedClock, Safety, Settings, setting
from adapters.kit.catalog import Entry
from webapp.engine import PatchbayError
from webapp.engine.gates import Gates
from webapp.registry import services

CODES = {
    Effect.NONE: ["CONNECT_REFUSED", "DNS_FAILURE", "TLS_CERT_INVALID", "OPERATION_UNSUPPORTED"],
    Effect.REJECTED: [
        "VENDOR_RATE_LIMITED",
        "VENDOR_UNAVAILABLE",
        "VENDOR_AUTH_REJECTED",
        "VENDOR_REJECTED_REQUEST",
    ],
    Effect.UNKNOWN: [
        "READ_TIMEOUT",
        "CONNECTION_LOST",
        "VENDOR_SERVER_ERROR",
        "VENDOR_IDEMPOTENCY_IN_PROGRESS",
    ],
    Effect.DONE: ["MALFORMED_RESPONSE"],
}


@dataclass
class Act:
    """What a service does with one request: how long it takes, and what it answers (None: success)."""

    took_s: float
    effect: Effect | None
    code: str | None
    retry_after: float | None


def acts():
    def faults(effect):
        return st.builds(
            Act,
            st.floats(0, 6),
            st.just(effect),
            st.sampled_from(CODES[effect]),
            st.sampled_from([None, None, 0.5, 3, 60]),
        )

    return st.one_of(st.builds(Act, st.floats(0, 3), st.none(), st.none(), st.none()), *map(faults, CODES))


class Stage:
    """The scripts of the services, and what was sent."""

    def __init__(self):
        self.clock = FixedClock()
        self.scripts = {}
        self.sent = []


stage = Stage()


class Scripted(HttpService, service_type="HTTP_PROVIDER_SCRIPTED", label="Scripted"):
    class Config(Settings):
        name: str = setting("Name")

    def request(self, request: Request) -> Response:  # noqa: ARG002
        script = stage.scripts[self.config.name]
        act = script.pop(0) if script else Act(0.1, None, None, None)
        stage.clock.advance(min(act.took_s, self.wire.remaining()))
        stage.sent.append((self.config.name, act.effect, self.wire.idempotency_key))
        if act.effect is None:
            return Response(200, {})
        raise Fault("As the script says.", code=act.code, effect=act.effect, retry_after=act.retry_after)

    def safety_of(self, _operation, params):
        return params.safety


class OneMore(Catalog):
    def get(self, service_type):
        entry = Entry("HTTP_PROVIDER_SCRIPTED", "HTTP_SERVICE", "Scripted", Scripted, __name__)
        return entry if service_type == entry.service_type else super().get(service_type)


@pytest.fixture
def scripted(runtime):
    """Three services that play scripts, on a clock that only sleeping moves."""
    runtime.catalog = OneMore()
    runtime.clock = stage.clock
    with runtime.sessions() as session:
        made = [
            services.create(
                session, runtime, name=name, service_type="HTTP_PROVIDER_SCRIPTED", configurations={"name": name},
                actor="test", origin="cli", is_enabled=True,
            ).service_id
            for name in "abc"
        ]  # fmt: skip
        session.commit()
    return made


@pytest.fixture
def clock():
    return stage.clock


@settings(
    max_examples=int(os.environ.get("PATCHBAY_TEST_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    scripts=st.lists(st.lists(acts(), max_size=5), min_size=3, max_size=3),
    safety=st.sampled_from(list(Safety)),
    duplicates=st.sampled_from(["forbid", "allow"]),
    deadline_ms=st.integers(500, 45_000),
    seed=st.integers(),
)
def test_no_call_breaks_the_promises(runtime, scripted, scripts, safety, duplicates, deadline_ms, seed):
    stage.scripts, stage.sent = dict(zip("abc", map(list, scripts), strict=True)), []
    runtime.gates = Gates(runtime, random.Random(seed))
    for service_id in scripted:
        runtime.gates.reset(service_id)
        runtime.state.forget(f"pace:{service_id}")
    began = stage.clock.monotonic()
    params = {"method": "POST", "path": "/x", "safety": str(safety)}
    try:
        outcome = runtime.hub.call(
            "http.request", params, prefer=scripted, deadline_ms=deadline_ms, duplicates=duplicates
        ).outcome
    except PatchbayError as error:
        outcome = runtime.log.call(error.call_id).outcome

    sent, took = stage.sent, stage.clock.monotonic() - began
    doubts = [number for number, (_, effect, _) in enumerate(sent) if effect in (Effect.UNKNOWN, Effect.DONE)]
    assert len(sent) <= 4
    assert len({name for name, _, _ in sent}) <= 3
    assert took <= deadline_ms / 1000 + 3.01
    assert len({(name, key) for name, _, key in sent}) == len({name for name, _, _ in sent}), (
        "one key per service"
    )
    assert len({key for _, _, key in sent}) == len({name for name, _, _ in sent})
    if safety is Safety.UNSAFE and doubts:
        after = sent[doubts[0] + 1 :]
        if duplicates == "forbid":
            assert after == []
        else:
            assert sent[doubts[0]][0] not in {name for name, _, _ in after}
            assert len({name for name, _, _ in after}) <= 1
    if safety is not Safety.READ and duplicates == "forbid" and doubts:
        assert len({name for name, _, _ in sent[doubts[0] :]}) == 1, "a doubt pins the call to its service"
    assert (outcome == "succeeded") == bool(sent and sent[-1][1] is None)
    if outcome != "succeeded":
        assert outcome == ("unknown" if doubts and safety is not Safety.READ else "failed")
    assert [runtime.gates.bulkhead.taken(one) for one in scripted] == [0, 0, 0]


def test_a_storm_of_failing_calls_keeps_to_the_retry_budget(runtime, scripted):
    runtime.gates = Gates(runtime, random.Random(1))
    with runtime.sessions() as session:
        from webapp.models.service import Service

        stored = session.get(Service, scripted[0])
        stored.breaker_override = {"state": "closed", "actor": "t", "reason": "t", "at": "", "until": None}
        session.commit()
    stage.sent = []
    calls = 0
    while calls < 100:
        stage.scripts = {"a": [Act(0.02, Effect.UNKNOWN, "VENDOR_SERVER_ERROR", None)] * 5}
        with pytest.raises(PatchbayError):
            runtime.hub.call(
                "http.request", {"method": "GET", "path": "/x", "safety": "READ"}, prefer=scripted[0]
            )
        calls += 1

    assert len(stage.sent) - calls <= 20 + 0.1 * stage.clock.monotonic()
