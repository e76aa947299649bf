"""How gunicorn serves Patchbay: threads for calls that wait, limits that outlast the longest call."""

from __future__ import annotations

import os
import resource
from typing import Any

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '5000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 16
# The longest synchronous call takes 45 s; a worker that is told to stop lets it end.
timeout = 60
graceful_timeout = 50
keepalive = 15
# Connections, key caches and schedulers belong to one process, so nothing is loaded before the fork.
preload_app = False
accesslog = None
control_socket_disable = True  # one more door that nobody uses

_monitors: list[Any] = []


def post_worker_init(worker: Any) -> None:
    """Keep memory out of core dumps, send the log through the redacting formatter and start the periodic work."""
    from webapp.engine.logging import configure  # noqa: PLC0415 - only workers load the application
    from webapp.monitor import Monitor  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    configure()
    monitor = Monitor(worker.app.callable.extensions["patchbay"])
    monitor.start()
    _monitors.append(monitor)


def worker_exit(_server: Any, _worker: Any) -> None:
    """Stop the periodic work and let another worker take over."""
    while _monitors:
        _monitors.pop().stop()
