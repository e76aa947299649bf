"""Takes away what has had its time, in the process that leads: checks, messages of self-tests, bodies and attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from webapp.log import rollups_repair
from webapp.log.retention import Kept, Pruned
from webapp.monitor import rollup, selftest

if TYPE_CHECKING:
    from webapp.config import Config
    from webapp.runtime import Runtime


def kept(config: Config) -> Kept:
    """How long the settings keep what of the call log."""
    return Kept(
        bodies=timedelta(days=config.log_body_retention_days),
        rows=timedelta(days=config.log_retention_days),
        most_bytes=config.log_max_mb * 1024 * 1024,
    )


def prune(runtime: Runtime) -> Pruned:
    """One run; what it does not reach within its budget waits for the next one."""
    rollup.prune(runtime)
    rollups_repair.prune(runtime.engine, runtime.clock.now())
    selftest.forget(runtime)
    runtime.log.make_ahead()
    return runtime.log.prune(kept(runtime.config), runtime.config.log_prune_seconds)
