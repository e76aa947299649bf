"""The cache of data keys: fresh for a while, serving on while the provider is away, closed after that."""

from __future__ import annotations

import threading

import pytest

from webapp.vault import Corrupt, Denied, KeyMissing, Unavailable
from webapp.vault.keyring import FAILED_S, FRESH_S, SIZE, USABLE_S, Keyring


class Provider:
    """Counts how often it is asked, and fails when told to."""

    def __init__(self):
        self.asked = 0
        self.failure = None

    def __call__(self):
        self.asked += 1
        if self.failure:
            raise self.failure
        return bytes(range(32))


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def ring(clock):
    return Keyring(clock.monotonic)


def test_a_fresh_key_is_not_asked_for_again(ring, provider, clock):
    first = ring.get("a", provider)
    clock.advance(FRESH_S - 1)

    assert ring.get("a", provider) is first
    assert provider.asked == 1


def test_an_aged_key_is_fetched_anew(ring, provider, clock):
    ring.get("a", provider)
    clock.advance(FRESH_S)
    ring.get("a", provider)

    assert provider.asked == 2


def test_an_aged_key_serves_on_while_the_provider_is_away(ring, provider, clock):
    first = ring.get("a", provider)
    provider.failure = Unavailable("away")
    clock.advance(USABLE_S - 1)
    assert ring.get("a", provider) is first

    clock.advance(1)
    with pytest.raises(Unavailable, match="away"):
        ring.get("a", provider)


def test_a_refusal_ends_the_use_of_a_key_at_the_end_of_its_time(ring, provider, clock):
    key = ring.get("a", provider)
    provider.failure = Denied("no longer")
    clock.advance(FRESH_S)
    assert ring.get("a", provider) is key

    clock.advance(USABLE_S - FRESH_S)
    with pytest.raises(Denied):
        ring.get("a", provider)


@pytest.mark.parametrize("error", [Corrupt("no"), KeyMissing("gone")], ids=["corrupt", "missing"])
def test_an_aged_key_that_does_not_exist_any_more_is_not_used(ring, provider, clock, error):
    ring.get("a", provider)
    provider.failure = error
    clock.advance(FRESH_S)

    with pytest.raises(type(error)):
        ring.get("a", provider)


def test_a_failure_is_remembered_for_a_while(ring, provider, clock):
    provider.failure = Unavailable("away")
    for _ in range(3):
        with pytest.raises(Unavailable):
            ring.get("a", provider)
    assert provider.asked == 1

    provider.failure = None
    clock.advance(FAILED_S)
    assert ring.get("a", provider)


def test_one_thread_fetches_for_all(ring):
    entered, release = threading.Event(), threading.Event()
    asked = []

    def slow():
        asked.append(1)
        entered.set()
        assert release.wait(5)
        return bytes(32)

    threads = [threading.Thread(target=ring.get, args=("a", slow)) for _ in range(4)]
    threads[0].start()
    assert entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(5)

    assert len(asked) == 1


def test_the_oldest_key_leaves_when_there_are_too_many(ring, provider):
    for number in range(SIZE + 1):
        ring.get(str(number), provider)
    ring.get(str(SIZE), provider)
    assert provider.asked == SIZE + 1

    ring.get("0", provider)
    assert provider.asked == SIZE + 2


def test_cleared_keys_are_fetched_anew(ring, provider):
    ring.get("a", provider)
    ring.clear()
    ring.get("a", provider)

    assert provider.asked == 2
