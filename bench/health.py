"""How much the scheduled checks cost: rounds over many services on loopback, and what pages feel of them.

.venv/bin/python -m bench.health            # 1,000 services
.venv/bin/python -m bench.health 1000 10000

A page is asked for over and over by one reader, in turns without and with checks beside it. With checks the sweeper
turns as the scheduler makes it turn, every two seconds, over services that come due spread over their minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from multiprocessing import get_context
from pathlib import Path
from threading import Event

from sqlalchemy import bindparam, func, insert, select, update

from adapters.kit import SystemClock
from adapters.kit.address import EgressPolicy
from webapp import create_app, db
from webapp.accounts import users
from webapp.config import Config
from webapp.ids import uuid7
from webapp.models.health import HealthCheck, ServiceHealth
from webapp.models.service import Service
from webapp.monitor import incidents
from webapp.monitor.sweep import Sweep
from webapp.runtime import Runtime

ROUNDS, TURNS, TURN_S = 3, 5, 2.0
PAGES = 40


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
    """Check everything once, as fast as it goes; seconds of the clock and of the processor."""
    began, worked = time.monotonic(), time.process_time()
    while sweep.run():
        incidents.follow(runtime)
    return time.monotonic() - began, time.process_time() - worked


def signed_in(app, runtime: Runtime):
    """A browser of somebody who may see everything."""
    person = {
        "email": "bench@example.com",
        "name": "Bench",
        "role": "owner",
        "password": "a long enough passphrase",
    }
    with app.app_context(), runtime.sessions() as session:
        users.create_user(session, runtime, **person, actor="bench")
        session.commit()
    client = app.test_client()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").get_data(as_text=True))
    form = {"email": person["email"], "password": person["password"], "csrf_token": token[1]}
    assert client.post("/login", data=form).status_code == HTTPStatus.SEE_OTHER
    return client


def pages(client, stop: Event) -> list[float]:
    """Ask for a page, again and again until told to stop; how long each took."""
    taken = []
    while not stop.is_set() or len(taken) < PAGES:
        began = time.perf_counter()
        assert client.get("/logs").status_code == HTTPStatus.OK
        taken.append(time.perf_counter() - began)
        time.sleep(0.02)
    return taken


def due_at_once(runtime: Runtime) -> None:
    """Make every service due at once, as after a long stop."""
    with runtime.engine.begin() as connection:
        connection.execute(update(ServiceHealth).values(checked_s=0))


def due_spread(runtime: Runtime) -> None:
    """Make the services due one after the other within a minute, as they are after the first."""
    now = int(time.time())
    with runtime.engine.begin() as connection:
        ids = connection.scalars(select(ServiceHealth.service_id)).all()
        rows = [{"id": id_, "at": now - 57 + place % 60} for place, id_ in enumerate(ids)]
        one = update(ServiceHealth).where(ServiceHealth.service_id == bindparam("id"))
        connection.execute(one.values(checked_s=bindparam("at"), spread=950), rows)


def turning(runtime: Runtime, sweep: Sweep) -> int:
    """Let the sweeper turn as the scheduler does; how many checks were written."""
    before = checks_of(runtime)
    for _ in range(TURNS):
        began = time.monotonic()
        sweep.turn()
        if sweep.wrote:
            incidents.follow(runtime)
        time.sleep(max(0.0, TURN_S - (time.monotonic() - began)))
    sweep.collect()
    return checks_of(runtime) - before


def checks_of(runtime: Runtime) -> int:
    """How many checks are written down."""
    with runtime.sessions() as session:
        return session.scalar(select(func.count()).select_from(HealthCheck)) or 0


def latencies(client, runtime: Runtime, sweep: Sweep) -> dict[str, object]:
    """Pages without and with checks beside them, in turns."""
    quiet, busy, beside = [], [], 0
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(1) as reader:
            stop = Event()
            asked = reader.submit(pages, client, stop)
            time.sleep(TURNS * TURN_S / 2)
            stop.set()
            quiet += asked.result()
        due_spread(runtime)
        with ThreadPoolExecutor(1) as reader:
            stop = Event()
            asked = reader.submit(pages, client, stop)
            beside += turning(runtime, sweep)
            stop.set()
            busy += asked.result()
    return {
        "checks_beside_pages": beside, "pages": [len(quiet), len(busy)], "page_p50_ms": [at(quiet, 0.5), at(busy, 0.5)],
        "page_p95_ms": [at(quiet, 0.95), at(busy, 0.95)], "page_p95_ratio": round(at(busy, 0.95) / at(quiet, 0.95), 2),
    }  # fmt: skip


def at(taken: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    return round(sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] * 1000, 1)


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
        client, sweep = signed_in(create_app(runtime=runtime), runtime), Sweep(runtime)
        rounds = [round_of(runtime, sweep)]
        for _ in range(ROUNDS):
            due_at_once(runtime)
            rounds.append(round_of(runtime, sweep))
        with runtime.sessions() as session:
            found = session.execute(select(ServiceHealth.state, func.count()).group_by(ServiceHealth.state))
            states = dict(found.all())
        felt = latencies(client, runtime, sweep)
        sweep.close()
        runtime.close()
    vendor.kill()
    return {
        "services": count, "states": states, "round_s": [round(one, 2) for one, _ in rounds],
        "cpu_s": [round(one, 2) for _, one in rounds], "load": round(os.getloadavg()[0], 1), **felt,
    }  # fmt: skip


if __name__ == "__main__":
    for size in [int(given) for given in sys.argv[1:]] or [1000]:
        print(json.dumps(measure(size)), flush=True)
