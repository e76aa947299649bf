"""Real peers on loopback, services that point at them, and a monitor whose clock the test moves."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select

from tests.engine.vendor import Vendor, answer
from webapp.models.alert import AlertDelivery
from webapp.models.health import ServiceHealth
from webapp.models.incident import Incident
from webapp.models.service import Service
from webapp.monitor import channels, incidents, rules, tripping
from webapp.monitor.delivery import deliver
from webapp.monitor.raising import raise_alerts
from webapp.monitor.sweep import Sweep
from webapp.registry import services
from webapp.registry.condition import condition_of

GOOD = answer(202, {"scopes": ["mail.send"]}, X_Message_Id="m-1")
MINUTE = 60


class Receiver:
    """A webhook that keeps what it was told, and fails while `status` says so."""

    def __init__(self):
        self.told, self.status = [], 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.told.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/secret-part"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def kinds(self):
        return [one["kind"] for one in self.told]

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Watched:
    """The monitor of one process, moved on by the test."""

    def __init__(self, runtime, clock):
        self.runtime, self.clock, self.sweep = runtime, clock, Sweep(runtime)

    def round(self, times=1, seconds=MINUTE):
        """Check, follow, alert; then let a minute pass."""
        for _ in range(times):
            self.sweep.run()
            self.follow()
            self.clock.advance(seconds)
        return self

    def follow(self):
        tripping.heed(self.runtime)
        incidents.follow(self.runtime)
        raise_alerts(self.runtime)
        deliver(self.runtime)

    def state(self, service_id):
        with self.runtime.sessions() as session:
            return session.get(ServiceHealth, service_id).state

    def shown(self, service_id):
        """How people see it: its condition, put together from everything that is known."""
        with self.runtime.sessions() as session:
            service, health = session.get(Service, service_id), session.get(ServiceHealth, service_id)
            return condition_of(service, health, self.clock.now())

    def all(self, model):
        with self.runtime.sessions() as session:
            return session.scalars(select(model)).all()

    @property
    def incidents(self):
        return self.all(Incident)

    @property
    def deliveries(self):
        return self.all(AlertDelivery)

    def channel(self, **values):
        with self.runtime.sessions() as session:
            made = channels.create(session, self.runtime, values, actor="test")
            session.commit()
            return made.channel_id

    def rule(self, *ids, name="On call", **values):
        with self.runtime.sessions() as session:
            made = rules.create(
                session, self.runtime, {"name": name, "channels": list(ids), **values}, actor="test"
            )
            session.commit()
            return made.rule_id


@pytest.fixture
def monitor(runtime, clock):
    watched = Watched(runtime, clock)
    yield watched
    watched.sweep.close()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def vendors():
    """Makes HTTP vendors and closes them."""
    made = []

    def make(does=GOOD):
        made.append(Vendor(does))
        return made[-1]

    yield make
    for one in made:
        with suppress(OSError):  # closed by the test already
            one.close()


@pytest.fixture
def add(runtime):
    """Stores an enabled service."""

    def make(name, url="", *, service_type="EMAIL_PROVIDER_SENDGRID", configurations=None, **fields):
        own = configurations or {"api_key": "SG-key-8fJ2kq0", "from_email": "a@example.com", "base_url": url}
        with runtime.sessions() as session:
            made = services.create(
                session, runtime, name=name, service_type=service_type, actor="test", origin="cli",
                is_enabled=True, configurations=own, **fields,
            )  # fmt: skip
            session.commit()
            return made.service_id

    return make
