"""The breaker against a naive list of votes, on a clock of the test, and between processes."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.kit import FixedClock, SystemClock
from tests.state.conftest import redis_state
from webapp.engine import breaker
from webapp.engine.breaker import Permit, Vote
from webapp.engine.breakers import Breakers
from webapp.state.memory import MemoryStore
from webapp.state.sqlite import SqliteState

KEY = "service"


class Sure(random.Random):
    """No jitter, so that times are round."""

    def random(self):
        return 0.0


@pytest.fixture
def told():
    return []


@pytest.fixture
def breakers(clock, told):
    return Breakers(MemoryStore(clock), clock, Sure(), lambda _key, change: told.append(change))


@pytest.fixture
def clock():
    return FixedClock()


def attempts(breakers, *votes, slow=False):
    """One attempt after the other with these votes."""
    for vote in votes:
        permit = breakers.acquire(KEY)
        assert isinstance(permit, Permit)
        breakers.record(KEY, permit, vote, slow=slow)


def state(breakers):
    doc = breakers.look(KEY)
    return doc["state"] if doc else "closed"


def test_ten_failures_among_twenty_open_it(breakers, told):
    attempts(breakers, *[Vote.SUCCESS, Vote.FAILURE] * 4, Vote.SUCCESS)
    assert state(breakers) == "closed", "nine calls are too few to judge"

    attempts(breakers, Vote.FAILURE)

    assert state(breakers) == "open"
    assert (told[0].reason, told[0].calls, told[0].failures) == ("failures", 10, 5)
    assert breakers.acquire(KEY) == 30.0


def test_five_in_a_row_open_it_after_a_thousand_successes(breakers, told):
    attempts(breakers, *[Vote.SUCCESS] * 1000, *[Vote.FAILURE] * 4)
    assert state(breakers) == "closed"

    attempts(breakers, Vote.FAILURE)

    assert [change.reason for change in told] == ["consecutive"]


def test_failures_far_apart_are_not_in_a_row(breakers, clock):
    attempts(breakers, *[Vote.SUCCESS] * 100)
    for _ in range(8):
        attempts(breakers, Vote.FAILURE)
        clock.advance(8)

    assert state(breakers) == "closed"


def test_a_success_ends_a_row(breakers):
    attempts(
        breakers,
        *[Vote.SUCCESS] * 100,
        *[Vote.FAILURE, Vote.FAILURE, Vote.FAILURE, Vote.FAILURE, Vote.SUCCESS] * 3,
    )

    assert state(breakers) == "closed"


def test_slow_calls_open_it(breakers, told):
    attempts(breakers, *[Vote.SUCCESS] * 2)
    attempts(breakers, *[Vote.SUCCESS] * 8, slow=True)

    assert told[0].reason == "slow"


def test_what_is_ignored_changes_nothing(breakers, told):
    attempts(breakers, *[Vote.IGNORE] * 50)

    assert (state(breakers), told) == ("closed", [])


def test_the_window_forgets(breakers, clock):
    attempts(breakers, *[Vote.SUCCESS] * 5, *[Vote.FAILURE] * 4)
    clock.advance(61)
    attempts(breakers, *[Vote.SUCCESS] * 5, *[Vote.FAILURE] * 4)

    assert state(breakers) == "closed"


def broken(breakers):
    attempts(breakers, *[Vote.FAILURE] * 5)


def test_two_probes_close_it(breakers, clock, told):
    broken(breakers)
    clock.advance(31)

    attempts(breakers, Vote.SUCCESS)
    assert state(breakers) == "half_open"
    attempts(breakers, Vote.SUCCESS)

    assert [(change.before, change.after) for change in told] == [("closed", "open"), ("half_open", "closed")]
    assert breakers.acquire(KEY) == Permit(3)
    assert breaker.totals(breakers.look(KEY)) == (0, 0, 0)


def test_each_failed_probe_doubles_the_pause_up_to_five_minutes(breakers, clock):
    broken(breakers)
    pauses = []
    for _ in range(6):
        pauses.append(breakers.wait(KEY))
        clock.advance(pauses[-1] + 0.001)
        attempts(breakers, Vote.FAILURE)

    assert pauses == pytest.approx([30, 60, 120, 240, 300, 300])


def test_a_recovery_makes_the_next_pause_short_again(breakers, clock):
    for _ in range(3):
        broken(breakers)
        assert breakers.wait(KEY) == pytest.approx(30)
        clock.advance(31)
        attempts(breakers, Vote.SUCCESS, Vote.SUCCESS)


def test_three_permits_and_no_more(breakers, clock):
    broken(breakers)
    clock.advance(31)

    answers = [breakers.acquire(KEY) for _ in range(30)]

    assert [isinstance(answer, Permit) for answer in answers] == [True] * 3 + [False] * 27
    assert set(answers[3:]) == {1.0}


def test_a_permit_given_back_can_be_taken_again(breakers, clock):
    broken(breakers)
    clock.advance(31)
    permits = [breakers.acquire(KEY) for _ in range(3)]

    breakers.record(KEY, permits[0], Vote.IGNORE)

    assert isinstance(breakers.acquire(KEY), Permit)
    assert not isinstance(breakers.acquire(KEY), Permit)


def test_probes_that_never_answer_open_it_again(breakers, clock, told):
    broken(breakers)
    clock.advance(31)
    for _ in range(3):
        breakers.acquire(KEY)
    clock.advance(59)
    assert breakers.acquire(KEY) == 1.0
    clock.advance(2)

    assert breakers.acquire(KEY) == pytest.approx(60)
    assert told[-1].reason == "stuck"
    clock.advance(61)
    attempts(breakers, Vote.SUCCESS, Vote.SUCCESS)
    assert state(breakers) == "closed"


@pytest.mark.parametrize("vote", [Vote.SUCCESS, Vote.FAILURE])
def test_a_late_result_changes_nothing(breakers, clock, vote):
    late = [breakers.acquire(KEY) for _ in range(6)]
    broken(breakers)
    clock.advance(31)
    probe = breakers.acquire(KEY)
    before = breakers.look(KEY)

    assert [breakers.record(KEY, permit, vote) for permit in late] == [False] * 6

    assert breakers.look(KEY) == before
    assert breakers.record(KEY, probe, Vote.SUCCESS)


def test_a_reset_begins_anew(breakers):
    broken(breakers)

    breakers.forget(KEY)

    assert isinstance(breakers.acquire(KEY), Permit)
    assert breaker.totals(breakers.look(KEY)) == (0, 0, 0)


def test_a_clock_that_was_set_back_keeps_nobody_waiting(breakers, clock):
    broken(breakers)

    clock.advance(-3600)

    assert isinstance(breakers.acquire(KEY), Permit)


def test_successes_are_told_once_a_second(clock):
    class Counting(MemoryStore):
        writes = 0

        def update(self, key, change, **how):
            self.writes += 1
            return super().update(key, change, **how)

    store = Counting(clock)
    breakers = Breakers(store, clock, Sure(), lambda *_: None)

    for _ in range(100):
        attempts(breakers, Vote.SUCCESS)
        clock.advance(0.01)

    assert store.writes <= 1
    clock.advance(1)
    attempts(breakers, Vote.SUCCESS)
    assert breaker.totals(breakers.look(KEY))[0] == 101


class Model(RuleBasedStateMachine):
    """The breaker beside a list of everything that happened."""

    @initialize()
    def begin(self):
        self.clock = FixedClock()
        self.told = []
        self.breakers = Breakers(
            MemoryStore(self.clock), self.clock, Sure(), lambda _key, change: self.told.append(change)
        )
        self.held = []
        self.out = Counter()
        self.state, self.until = "closed", 0.0
        self.window = []

    @rule(seconds=st.sampled_from([0.5, 3, 7, 29, 31, 61, 301]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def ask(self):
        answer = self.breakers.acquire(KEY)
        if isinstance(answer, Permit):
            self.held.append(answer)
            self.out[answer.generation] += answer.probe
            assert answer.probe == (state(self.breakers) == "half_open")
        else:
            assert answer > 0

    @rule(data=st.data(), vote=st.sampled_from(list(Vote)), slow=st.booleans())
    def answer(self, data, vote, slow):
        if not self.held:
            return
        permit = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        before = self.breakers.look(KEY)
        counted = self.breakers.record(KEY, permit, vote, slow=slow)
        after = self.breakers.look(KEY)
        current = before["generation"] if before else 0
        if vote is Vote.IGNORE:
            self.out[permit.generation] -= permit.probe
        elif permit.generation != current:
            assert not counted
            assert after == before, "a late result is inert"
        elif before and before["state"] == "half_open":
            assert after["state"] == "open" if vote is Vote.FAILURE else after["state"] != "open"
        if (after and after["state"]) != (before and before["state"]) and after["state"] == "open":
            self.naive_reason(permit, vote)

    def naive_reason(self, permit, vote):
        change = self.told[-1]
        if change.reason in ("failures", "slow", "consecutive"):
            assert not permit.probe
            assert change.reason == "consecutive" or change.calls >= 10
        if change.reason == "consecutive":
            assert vote is Vote.FAILURE

    @invariant()
    def three_permits(self):
        if hasattr(self, "out"):
            assert max(self.out.values(), default=0) <= 3

    @invariant()
    def open_means_closed_to_calls(self):
        if hasattr(self, "breakers"):
            doc = self.breakers.look(KEY)
            if doc and doc["state"] == "open" and self.breakers.wait(KEY) > 0:
                assert not isinstance(self.breakers.acquire(KEY), Permit)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def probe_in_process(where, key, ready, go, results):
    kind, path = where
    store = redis_state() if kind == "redis" else SqliteState(path, SystemClock())
    breakers = Breakers(store, SystemClock(), Sure(), lambda *_: None)
    answers = []

    def ask():
        answers.append(breakers.acquire(key))

    threads = [threading.Thread(target=lambda: (go.wait(30), ask())) for _ in range(30)]
    for thread in threads:
        thread.start()
    ready.release()
    for thread in threads:
        thread.join()
    results.put([answer.generation for answer in answers if isinstance(answer, Permit)])
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_four_processes_of_thirty_threads_share_three_permits(kind, tmp_path):
    path, key = tmp_path / "state.db", f"breaker-test-{time.time_ns()}"
    store = redis_state() if kind == "redis" else SqliteState(path, SystemClock())

    def overdue(_doc, now):
        return breaker.fresh(now) | {"state": "open", "generation": 7, "until": now - 1}, None

    store.update(f"breaker:{key}", overdue, ttl_s=60)
    context = multiprocessing.get_context("fork")
    ready, go, results = context.Semaphore(0), context.Event(), context.Queue()
    children = [
        context.Process(target=probe_in_process, args=((kind, path), key, ready, go, results))
        for _ in range(4)
    ]
    for child in children:
        child.start()
    for _ in children:
        assert ready.acquire(timeout=30)
    go.set()
    granted = [generation for _ in children for generation in results.get(timeout=30)]
    for child in children:
        child.join(30)

    assert granted == [8, 8, 8]
    (doc,), _ = store.read([f"breaker:{key}"])
    assert (doc["state"], doc["permits"]) == ("half_open", 3)
    store.close()


def test_what_one_process_opens_is_open_everywhere(tmp_path):
    clock = FixedClock()
    first, second = (
        Breakers(SqliteState(tmp_path / "state.db", clock), clock, Sure(), lambda *_: None) for _ in range(2)
    )
    attempts(second, Vote.SUCCESS)

    broken(first)
    clock.advance(0.3)

    assert second.acquire(KEY) == pytest.approx(29.7)
    clock.advance(30)
    attempts(second, Vote.SUCCESS, Vote.SUCCESS)
    clock.advance(0.3)
    assert isinstance(first.acquire(KEY), Permit)
