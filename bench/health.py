"""How much the scheduled checks cost: a round over many services on loopback, and what pages feel of it.

.venv/bin/python -m bench.health            # 1,000 services
.venv/bin/python -m bench.health 1000 10000
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import func, insert, select

from adapters.kit import SystemClock
from adapters.kit.address import EgressPolicy
from webapp import create_app, db
from webapp.config import Config
from webapp.ids import uuid7
from webapp.models.health import HealthCheck, ServiceHealth
from webapp.models.service import Service
from webapp.monitor import incidents
from webapp.monitor.sweep import Sweep
from webapp.runtime import Runtime

PAGES = 20


def peer(pipe) -> None:
    """A vendor in a process of its own, so that its work is not counted as ours."""

    async def talk(reader, writer):
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        writer.close()

    async def serve():
        server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def fill(runtime: Runtime, count: int, port: int) -> None:
    """Put services into the database, enabled, a minute apart."""
    now = runtime.clock.now()
    values = [
        {
            "service_id": uuid7(), "service_name": f"Service {number:05}", "name_key": f"service {number:05}",
            "service_type": "HTTP_PROVIDER_GENERIC", "contract": "HTTP_SERVICE", "is_enabled": True,
            "configurations": {"base_url": f"http://127.0.0.1:{port}", "health_path": "/health"},
            "secrets": {}, "health_interval_s": 60, "revision": 1, "sandbox": False, "created_at": now, "updated_at": now,
        }
        for number in range(count)
    ]  # fmt: skip
    with runtime.engine.begin() as connection:
        connection.execute(insert(Service), values)


def round_of(runtime: Runtime, sweep: Sweep) -> tuple[float, float]:
    """Check everything once, as the scheduler does; seconds of the clock and of the processor."""
    began, worked = time.monotonic(), time.process_time()
    while sweep.run():
        incidents.follow(runtime)
    return time.monotonic() - began, time.process_time() - worked


def pages(app, stop: Event, taken: list[float]) -> None:
    """Ask for the list of probes as often as possible and note how long each took."""
    client = app.test_client()
    while not stop.is_set() or len(taken) < PAGES:
        began = time.monotonic()
        client.get("/login")
        taken.append(time.monotonic() - began)
        time.sleep(0.05)


def due_again(runtime: Runtime) -> None:
    """Make every service due at once, as after a long stop."""
    with runtime.engine.begin() as connection:
        connection.execute(ServiceHealth.__table__.update().values(checked_s=0))


def measure(count: int) -> dict[str, object]:
    """One size on a fresh database."""
    ours, theirs = get_context("spawn").Pipe()
    vendor = get_context("spawn").Process(target=peer, args=(theirs,), daemon=True)
    vendor.start()
    port = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        config = Config(
            data_dir=data, database_url=f"sqlite:///{folder}/p.sqlite3",
            egress=EgressPolicy.parse("127.0.0.0/8"), require_mfa=False,
        )  # fmt: skip
        runtime = Runtime.create(config, SystemClock())
        db.upgrade(runtime.engine)
        runtime.vault.prepare()
        fill(runtime, count, port)
        app, sweep = create_app(runtime=runtime), Sweep(runtime)
        quiet: list[float] = []
        done = Event()
        done.set()
        pages(app, done, [])  # the first requests compile templates
        pages(app, done, quiet)
        first = round_of(runtime, sweep)
        due_again(runtime)
        busy: list[float] = []
        stop = Event()
        watcher = Thread(target=pages, args=(app, stop, busy))
        watcher.start()
        second = round_of(runtime, sweep)
        stop.set()
        watcher.join()
        with runtime.sessions() as session:
            written = session.scalar(select(func.count()).select_from(HealthCheck))
            states = dict(
                session.execute(select(ServiceHealth.state, func.count()).group_by(ServiceHealth.state)).all()
            )
        sweep.close()
        runtime.close()
    vendor.kill()
    return {
        "services": count, "checks": written, "states": states,
        "round_s": [round(first[0], 2), round(second[0], 2)], "cpu_s": [round(first[1], 2), round(second[1], 2)],
        "page_p95_ms_quiet": p95(quiet), "page_p95_ms_during": p95(busy), "pages_during": len(busy),
    }  # fmt: skip


def p95(taken: list[float]) -> int:
    """The 95th percentile in milliseconds."""
    return round(statistics.quantiles(taken, n=20)[-1] * 1000)


if __name__ == "__main__":
    for size in [int(given) for given in sys.argv[1:]] or [1000]:
        print(json.dumps(measure(size)), flush=True)
