"""One service never takes all the threads."""

from __future__ import annotations

import os
import time

import pytest

from webapp.engine.bulkhead import Bulkhead, slots_for


@pytest.mark.parametrize(("threads", "slots"), [(1, 1), (2, 1), (8, 4), (16, 8), (100, 10)])
def test_half_of_the_threads_and_ten_at_most(threads, slots):
    assert slots_for(threads) == slots


def test_the_slot_after_the_last_is_refused_after_a_moment():
    bulkhead = Bulkhead(4)
    assert [bulkhead.enter("a") for _ in range(4)] == [True] * 4

    began = time.monotonic()
    assert not bulkhead.enter("a")
    assert 0.09 <= time.monotonic() - began < 2
    assert bulkhead.enter("b"), "another service has its own"
    bulkhead.leave("a")
    assert bulkhead.enter("a")
    assert bulkhead.taken("a") == 4


def test_a_forked_child_has_every_slot():
    bulkhead = Bulkhead(1)
    bulkhead.enter("a")
    child = os.fork()
    if child == 0:
        os._exit(0 if bulkhead.enter("a") else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
