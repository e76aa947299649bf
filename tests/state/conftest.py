"""Stores of every kind, on a clock of the test."""

from __future__ import annotations

import os
import uuid

import pytest

from adapters.kit import SystemClock
from webapp.state.memory import MemoryStore
from webapp.state.sqlite import SqliteState

REDIS = os.environ.get("PATCHBAY_TEST_REDIS_URL", "redis://127.0.0.1:6379/7")


def redis_state(prefix=""):
    """A store in Redis, or a skip where there is none."""
    redis = pytest.importorskip("redis")
    from webapp.state.redis import RedisState

    try:
        redis.Redis.from_url(REDIS, socket_connect_timeout=1).ping()
    except redis.RedisError:
        if os.environ.get("PATCHBAY_TEST_REQUIRE") == "all":
            pytest.fail("This machine has no Redis, and PATCHBAY_TEST_REQUIRE asks for it.")
        pytest.skip("needs Redis")
    return RedisState(REDIS)


@pytest.fixture
def prefix():
    """Keys of this test alone."""
    return f"{uuid.uuid4().hex}:"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request, tmp_path):
    """Each kind of store on the machine's own time."""
    if request.param == "redis":
        made = redis_state()
    else:
        made = (
            MemoryStore(SystemClock())
            if request.param == "memory"
            else SqliteState(tmp_path / "state.db", SystemClock())
        )
    yield made
    made.close()
