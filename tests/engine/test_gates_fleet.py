"""Several processes, one vendor: what one of them learns, all of them know."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest

from adapters.kit import SystemClock
from tests.engine.conftest import MAIL
from tests.engine.vendor import answer
from tests.state.conftest import redis_state
from webapp.engine import PatchbayError, breaker
from webapp.engine.breaker import Permit, Vote
from webapp.engine.gates import Gates
from webapp.runtime import Runtime
from webapp.state import Rate
from webapp.state.fallback import FallbackStore
from webapp.state.sqlite import SqliteState

pytestmark = pytest.mark.slow
FORK = multiprocessing.get_context("fork")
OK, DEAD = answer(202, X_Message_Id="m-1"), answer(500)


def outcome(runtime, service_id):
    try:
        return runtime.hub.call("email.send", MAIL, prefer=service_id).outcome
    except PatchbayError as error:
        return error.code


def keep_calling(config, service_id, stop, results):
    breaker.OPEN_S = 1.0
    runtime = Runtime.create(config, SystemClock())
    seen = []

    def work():
        while not stop.is_set():
            seen.append((time.monotonic(), outcome(runtime, service_id)))
            time.sleep(0.02)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(seen)
    runtime.close()


def test_a_vendor_dies_and_returns_under_four_processes(runtime, config, vendor, service):
    peer = vendor(OK)
    mail = service(peer.url)
    stop, results = FORK.Event(), FORK.Queue()
    children = [FORK.Process(target=keep_calling, args=(config, mail, stop, results)) for _ in range(4)]
    for child in children:
        child.start()
    while len(peer.requests) < 60:
        time.sleep(0.02)
    peer.does, died = DEAD, time.monotonic()
    time.sleep(2.0)
    known = len(peer.requests)
    before = rounds(runtime, mail)
    time.sleep(2.5)
    probes, after = len(peer.requests) - known, rounds(runtime, mail)
    peer.does, returned = OK, time.monotonic()
    time.sleep(10)
    stop.set()
    seen = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join(60)

    assert [child.exitcode for child in children] == [0] * 4
    for one in seen:
        first = next(at for at, code in one if code == "CIRCUIT_OPEN")
        assert first - died < 1.5, "open everywhere within a second, and some for a busy machine"
        assert one[-1][1] == "succeeded"
        assert {code for at, code in one if at > returned + 9.5} == {"succeeded"}
    codes = {code for one in seen for _, code in one}
    assert codes == {"succeeded", "AMBIGUOUS_OUTCOME", "CIRCUIT_OPEN"}
    assert probes <= 3 * (after - before + 1)


def rounds(runtime, key):
    """How many times the breaker was half open."""
    (doc,), _ = runtime.state.read([f"breaker:{key}"])
    return (doc["generation"] + 1) // 2 if doc else 0


def take_turns(where, key, until, results):
    store = redis_state() if where is None else SqliteState(where, SystemClock())
    asked = (store.take(key, Rate(10, burst=5)) for _ in range(100) if time.time() < until)
    admitted = sum(wait == 0 for wait in asked)
    results.put(admitted)
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_four_processes_share_one_limit(kind, tmp_path):
    where = tmp_path / "state.db" if kind == "sqlite" else None
    if where is None:
        redis_state().close()
    key, results = f"limit-test-{time.time_ns()}", FORK.Queue()
    began = time.monotonic()
    children = [
        FORK.Process(target=take_turns, args=(where, key, time.time() + 5, results)) for _ in range(4)
    ]
    for child in children:
        child.start()
    admitted = sum(results.get(timeout=60) for _ in children)
    took = time.monotonic() - began
    for child in children:
        child.join(60)

    assert 5 <= admitted <= 5 + 10 * took


def test_a_probe_that_dies_with_its_process_does_not_block_for_ever(tmp_path):
    class Later(SystemClock):
        ahead = 0.0

        def now(self):
            from datetime import timedelta

            return super().now() + timedelta(seconds=self.ahead)

        def monotonic(self):
            return super().monotonic() + self.ahead

    clock = Later()
    breakers = new_breakers(tmp_path, clock)
    for _ in range(5):
        breakers.record("s", breakers.acquire("s"), Vote.FAILURE)
    clock.ahead = 40
    ready = FORK.Event()

    def probe():
        mine = new_breakers(tmp_path, clock)
        for _ in range(3):
            assert isinstance(mine.acquire("s"), Permit)
        ready.set()
        time.sleep(60)

    child = FORK.Process(target=probe)
    child.start()
    assert ready.wait(30)
    os.kill(child.pid, signal.SIGKILL)
    child.join(30)

    clock.ahead += 1
    assert not isinstance(breakers.acquire("s"), Permit)
    clock.ahead += 61
    assert not isinstance(breakers.acquire("s"), Permit), "open again"
    clock.ahead += 70
    for _ in range(2):
        breakers.record("s", breakers.acquire("s"), Vote.SUCCESS)
    clock.ahead += 1
    assert breakers.look("s")["state"] == "closed"


def new_breakers(folder, clock):
    import random

    from webapp.engine.breakers import Breakers

    return Breakers(SqliteState(folder / "state.db", clock), clock, random.Random(1), lambda *_: None)


def test_a_redis_that_says_nothing_costs_a_moment_once(runtime, vendor, service):
    pytest.importorskip("redis")
    from webapp.state.redis import RedisState

    mail = service(vendor(OK).url)
    assert outcome(runtime, mail) == "succeeded"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shared = RedisState(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        runtime.state = FallbackStore(shared, runtime.clock, processes=4)
        runtime.gates = Gates(runtime)
        times = []
        for _ in range(4):
            began = time.monotonic()
            assert outcome(runtime, mail) == "succeeded"
            times.append(time.monotonic() - began)
        shared.close()

    assert times[0] < 2, "three questions of a tenth of a second, and a busy machine"
    assert min(times[1:]) < 0.3
