"""Every store keeps documents, changes them one at a time, and says so when it is down."""

from __future__ import annotations

import multiprocessing
import os
import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.kit import FixedClock, SystemClock
from tests.state.conftest import REDIS, redis_state
from webapp.state import Rate, StateDown
from webapp.state.fallback import FallbackStore
from webapp.state.memory import MemoryStore
from webapp.state.sqlite import SqliteState


def add(amount):
    def change(doc, _now):
        total = (doc or {"total": 0})["total"] + amount
        return {"total": total}, total

    return change


def test_a_document_is_made_changed_read_and_forgotten(store, prefix):
    key, other = f"{prefix}a", f"{prefix}b"

    assert store.update(key, add(2)) == 2
    assert store.update(key, add(3)) == 5
    docs, now = store.read([key, other])
    assert docs == [{"total": 5}, None]
    assert abs(now - time.time()) < 5
    store.forget(key)
    assert store.read([key])[0] == [None]


def test_a_change_that_returns_nothing_writes_nothing(store, prefix):
    store.update(f"{prefix}a", add(1))

    assert store.update(f"{prefix}a", lambda doc, _now: (None, doc["total"])) == 1
    assert store.update(f"{prefix}b", lambda doc, _now: (None, doc)) is None
    assert store.read([f"{prefix}a", f"{prefix}b"])[0] == [{"total": 1}, None]


def test_a_change_that_fails_changes_nothing(store, prefix):
    def fail(doc, now):
        raise ZeroDivisionError

    store.update(f"{prefix}a", add(1))
    with pytest.raises(ZeroDivisionError):
        store.update(f"{prefix}a", fail)

    assert store.update(f"{prefix}a", add(1)) == 2


def test_documents_are_forgotten_after_their_time(tmp_path):
    clock = FixedClock()
    for store in (MemoryStore(clock), SqliteState(tmp_path / "state.db", clock)):
        store.update("a", add(1), ttl_s=60)
        clock.advance(59)
        assert store.read(["a"])[0] == [{"total": 1}]
        clock.advance(2)
        assert store.read(["a"])[0] == [None]
        assert store.update("a", add(1), ttl_s=60) == 1
        store.close()


def test_threads_lose_no_change(store, prefix):
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: store.update(f"{prefix}a", add(1)), range(160)))

    assert store.read([f"{prefix}a"])[0] == [{"total": 160}]


def count_in_process(kind, path, key, times):
    store = redis_state() if kind == "redis" else SqliteState(path, SystemClock())
    for _ in range(times):
        store.update(key, add(1))
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_processes_lose_no_change(kind, tmp_path, prefix):
    path, key = tmp_path / "state.db", f"{prefix}a"
    store = redis_state() if kind == "redis" else SqliteState(path, SystemClock())
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=count_in_process, args=(kind, path, key, 50)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)

    assert [child.exitcode for child in children] == [0] * 4
    assert store.read([key])[0] == [{"total": 200}]
    store.close()


def test_a_fork_opens_the_file_anew(tmp_path):
    store = SqliteState(tmp_path / "state.db", SystemClock())
    store.update("a", add(1))
    child = os.fork()
    if child == 0:
        try:
            code = 0 if store.update("a", add(1)) == 2 else 1
        except BaseException:  # noqa: BLE001 - the child must end here
            code = 2
        os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.update("a", add(1)) == 3
    store.close()


def test_the_file_is_for_its_owner_only(tmp_path):
    store = SqliteState(tmp_path / "state.db", SystemClock())
    store.update("a", add(1))

    modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]

    assert set(modes) == {0o600}
    store.close()


def test_a_file_that_cannot_be_opened_is_a_store_that_is_down(tmp_path):
    store = SqliteState(tmp_path / "missing" / "state.db", SystemClock())

    for work in (lambda: store.read(["a"]), lambda: store.update("a", add(1)), lambda: store.forget("a")):
        with pytest.raises(StateDown):
            work()


def test_a_file_that_is_no_database_is_a_store_that_is_down(tmp_path):
    (tmp_path / "state.db").write_bytes(b"garbage " * 1000)
    store = SqliteState(tmp_path / "state.db", SystemClock())

    with pytest.raises(StateDown):
        store.update("a", add(1))


def test_a_redis_that_says_nothing_is_given_up_on_at_once():
    pytest.importorskip("redis")
    from webapp.state.redis import RedisState

    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisState(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        with pytest.raises(StateDown):
            store.read(["a"])
        assert time.monotonic() - began < 1
        store.close()


def test_an_address_where_no_redis_listens():
    pytest.importorskip("redis")
    from webapp.state.redis import RedisState

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = RedisState(f"redis://127.0.0.1:{port}/0")

    for work in (
        lambda: store.take("a", Rate(1)),
        lambda: store.forget("a"),
        lambda: store.update("a", add(1)),
    ):
        with pytest.raises(StateDown):
            work()


class Broken(MemoryStore):
    """A store that is down until it is repaired."""

    down = True
    asked = 0

    def read(self, keys):
        self._check()
        return super().read(keys)

    def update(self, key, change, *, ttl_s=60, strict=False):  # noqa: ARG002
        self._check()
        return super().update(key, change, ttl_s=ttl_s)

    def forget(self, key):
        self._check()
        super().forget(key)

    def _check(self):
        self.asked += 1
        if self.down:
            raise StateDown("away")


def test_a_stand_in_counts_while_the_store_is_down(caplog):
    clock = FixedClock()
    shared = Broken(clock)
    store = FallbackStore(shared, clock, processes=4)

    assert [store.update("a", add(1)) for _ in range(10)] == list(range(1, 11))
    assert shared.asked == 3, "after three failures it is left alone"
    assert store.degraded
    assert store.read(["a"])[0] == [{"total": 10}]
    store.forget("b")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["STATE_STORE_DEGRADED"]

    clock.advance(31)
    store.update("a", add(1))
    assert shared.asked == 4, "one question after half a minute"
    assert len(caplog.records) == 1, "said once a minute"
    clock.advance(31)
    shared.down = False
    assert store.update("a", add(1)) == 1
    assert not store.degraded
    assert caplog.records == caplog.records[:1]


def test_each_process_has_its_share_of_a_limit_while_the_store_is_down():
    clock = FixedClock()
    store = FallbackStore(Broken(clock), clock, processes=4)
    rate = Rate(10, burst=8)

    admitted = sum(store.take("limit", rate) == 0 for _ in range(20))

    assert admitted == 2
    clock.advance(0.4)
    assert store.take("limit", rate) == 0
    store.give_back("limit", rate)
    store.close()


def test_what_is_strict_has_no_stand_in():
    clock = FixedClock()
    store = FallbackStore(Broken(clock), clock, processes=4)

    for _ in range(5):
        with pytest.raises(StateDown):
            store.update("a", add(1), strict=True)


def test_redis_is_the_store_where_it_is_configured(config):
    pytest.importorskip("redis")
    from dataclasses import replace

    from webapp.state import make_store
    from webapp.state.redis import RedisState

    chosen = make_store(replace(config, redis_url=REDIS), SystemClock())
    usual = make_store(config, SystemClock())

    assert isinstance(chosen.shared, RedisState)
    assert isinstance(usual.shared, SqliteState)
    chosen.close()
    usual.close()
