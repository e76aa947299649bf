"""Processes die while keys rotate, and others write: nothing is lost, and whoever goes on finishes the work."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from adapters.kit.clock import SystemClock
from tests.vault.stores import (
    active_keys,
    drain,
    fill,
    new_primary,
    on_older_keys,
    opened,
    primary,
    wrapped_by,
)
from webapp.runtime import Runtime
from webapp.vault import rotation

ENOUGH = 500  # for one writer; so many fit into some rounds of rotation, however slow the machine is
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def live(config):
    """A runtime under the real clock, as processes have."""
    runtime = Runtime.create(config, SystemClock())
    yield runtime
    runtime.close()


def dies_at(config, statement, work):
    """Run some work in a process that is killed, for good, before its n-th statement; False when it came through."""
    process = FORK.Process(target=doomed, args=[config, statement, work])
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def doomed(config, statement, work):
    runtime = Runtime.create(config, SystemClock())
    left = [statement]

    def count(*_args):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(runtime.engine, "before_cursor_execute", count)
    event.listen(runtime.engine, "commit", count)
    work(runtime)


def rewrap_small(runtime):
    drain(rotation.rewrap(runtime, everything=False, size=2))


def rotate_small(runtime):
    drain(rotation.rotate(runtime, before=runtime.clock.now(), size=2))


def reencrypt_small(runtime):
    drain(rotation.reencrypt(runtime, size=2))


def test_death_at_each_statement_of_a_rewrap_loses_nothing(config, live):
    values, statement = fill(live, scopes=2, each=1), 0
    dying = True
    while dying:
        statement += 1
        new_primary(live)
        dying = dies_at(config, statement, rewrap_small)
        assert opened(live, values) == values
    assert statement > 8
    assert list(wrapped_by(live)) == [primary(live).id]


def test_death_at_each_statement_of_a_rotation_loses_nothing(config, live):
    values, statement = fill(live, scopes=2, each=2), 0
    dying = True
    while dying:
        statement += 1
        dying = dies_at(config, statement, rotate_small)
        assert opened(live, values) == values
        assert len(active_keys(live)) == 3
    assert statement > 8


def test_death_at_each_statement_of_a_re_encryption_loses_nothing(config, live):
    values, statement = fill(live, scopes=2, each=2), 0
    dying = True
    while dying:
        statement += 1
        rotate_small(live)
        dying = dies_at(config, statement, reencrypt_small)
        assert opened(live, values) == values
    assert statement > 8
    assert on_older_keys(live) == 0


def everything(config):
    runtime = Runtime.create(config, SystemClock())
    while True:
        rotation_pass(runtime)


def rotation_pass(runtime):
    for work in (rewrap_small, rotate_small, reencrypt_small):
        work(runtime)


@pytest.mark.slow
def test_deaths_at_random_moments_lose_nothing(config, live):
    values = fill(live, scopes=20, each=5)
    for _ in range(8):
        process = FORK.Process(target=everything, args=[config])
        process.start()
        time.sleep(random.uniform(0.05, 0.5))
        process.kill()
        process.join(30)
        assert opened(live, values) == values
    rotation_pass(live)
    assert on_older_keys(live) == 0
    assert opened(live, values) == values


def write(config, writer, stop, answers):
    """Seal new versions in scopes that others use as well, until told to stop."""
    runtime, written = Runtime.create(config, SystemClock()), {}
    while not stop.is_set() and len(written) < ENOUGH:
        number = len(written)
        with runtime.sessions() as session:
            secret = runtime.vault.seal(
                session,
                scope=f"svc:{number % 5}",
                owner_type="service",
                owner_id=str(number % 5),
                field=f"by_{writer}",
                value=f"{writer}/{number}",
                actor="lin",
            )
            session.commit()
        written[secret.id] = f"{writer}/{number}"
    answers.put(written)


@contextmanager
def four_writers(config):
    """Four processes that write until the block ends; what they wrote is known then."""
    stop, answers, written = FORK.Event(), FORK.Queue(), {}
    writers = [FORK.Process(target=write, args=[config, number, stop, answers]) for number in range(4)]
    for process in writers:
        process.start()
    try:
        yield written
    finally:
        stop.set()
    for _ in writers:
        written |= answers.get(timeout=60)
    for process in writers:
        process.join(30)
        assert process.exitcode == 0


def test_four_writers_lose_nothing_while_everything_rotates(config, live):
    values = fill(live, scopes=5)
    ends = time.monotonic() + 3
    rounds = 0
    with four_writers(config) as written:
        while time.monotonic() < ends or rounds < 2:
            new_primary(live)
            drain(rotation.rewrap(live))
            drain(rotation.rotate(live, before=live.clock.now()))
            drain(rotation.reencrypt(live))
            rounds += 1
    values |= written

    assert rounds > 1
    assert len(values) > 50
    drain(rotation.rewrap(live))
    drain(rotation.reencrypt(live))
    assert on_older_keys(live) == 0
    assert list(wrapped_by(live)) == [primary(live).id]
    assert opened(live, values) == values


def among_deaths(config, kills, longest_s):
    """Move keys in processes that are killed at random moments, while four others write; returns what these wrote."""
    with four_writers(config) as written:
        for _ in range(kills):
            doomed = FORK.Process(target=everything, args=[config])
            doomed.start()
            time.sleep(random.uniform(0.1, longest_s))
            doomed.kill()
            doomed.join(30)
    return written
