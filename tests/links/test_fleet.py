"""Four processes with fifty threads each need the same token at the same moment, and the provider is asked once."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from adapters.kit import SystemClock
from tests.links.conftest import change, row_of, tokens_of
from webapp import db
from webapp.runtime import Runtime

PROCESSES, THREADS = 4, 50


@pytest.fixture
def clock():
    """Processes share no clock but the machine's."""
    return SystemClock()


def ask(config, user_id, service_id, begin, found):
    """One process: its own connections, its own threads, one question each."""
    db.POOL.update(pool_size=8, max_overflow=0)  # the server has connections for all four
    runtime = Runtime.create(config, SystemClock())
    answers, together = [], threading.Barrier(THREADS)

    def one():
        together.wait()
        try:
            answers.append(runtime.links.token(user_id, service_id).access_token.get_secret_value())
        except Exception as error:  # noqa: BLE001 - what it was is the outcome
            answers.append(f"{type(error).__name__}: {error}")

    begin.wait()
    threads = [threading.Thread(target=one) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runtime.close()
    found.put(json.dumps(answers))


def test_two_hundred_ask_at_once_and_one_token_is_made(linked, runtime, config, oidc_provider):
    before = tokens_of(runtime, linked.link_id)
    change(runtime, linked.link_id, expires_at=datetime.now(UTC) - timedelta(minutes=1))
    oidc_provider.forget()
    context = multiprocessing.get_context(
        "spawn"
    )  # a fork of a process with threads may wait for one for ever
    begin, found = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(
            target=ask, args=[config, linked.user_id, linked.service_id, begin, found], daemon=True
        )
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    try:
        answers = Counter(answer for _ in processes for answer in json.loads(found.get(timeout=60)))
        for process in processes:
            process.join(30)
    finally:
        for process in processes:
            process.kill()
    found.close()
    found.join_thread()

    after = tokens_of(runtime, linked.link_id)
    assert answers == {after.access: PROCESSES * THREADS}
    assert oidc_provider.asked("POST /token") == 1
    assert after.access != before.access
    assert oidc_provider.is_live(after.access)
    assert row_of(runtime, linked.link_id).generation == 2
