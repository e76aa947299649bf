"""Which store an installation uses."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.kit import Clock
from webapp.config import Config
from webapp.state.fallback import FallbackStore
from webapp.state.sqlite import SqliteState
from webapp.state.store import Store

FILE = "state.db"


def make_store(config: Config, clock: Clock) -> FallbackStore:
    """Redis where it is configured, else a file in the data directory; with a stand-in for when it is down."""
    return FallbackStore(_shared(config, clock), clock, config.processes)


def counts_apart(config: Config, hosts: Iterable[str]) -> bool:
    """Whether processes run on several machines and share nothing to count in: each machine has a file of its own."""
    return not config.redis_url and len(set(hosts)) > 1


def _shared(config: Config, clock: Clock) -> Store:
    if config.redis_url:
        from webapp.state.redis import RedisState  # noqa: PLC0415 - its client is loaded only when chosen

        return RedisState(config.redis_url)
    return SqliteState(config.data_dir / FILE, clock)
