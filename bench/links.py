"""What linked accounts cost with 100,000 of them: `python -m bench.links`.

People, links and sealed tokens are made first; then pages, questions for tokens, the operator's numbers and the sweep
that renews what is due are measured, the sweep against a provider in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

from sqlalchemy import insert, select, update

from adapters.kit.address import EgressPolicy
from adapters.kit.clock import SystemClock
from webapp import links
from webapp.config import Config
from webapp.db import make_engine, upgrade
from webapp.ids import uuid7
from webapp.links import sweep
from webapp.links.search import find
from webapp.models.link import Link, LinkTokens, LinkUsage
from webapp.models.user import User
from webapp.registry import services
from webapp.runtime import Runtime
from webapp.vault import linked

BATCH = 5_000
SERVICES = 5


class Provider(BaseHTTPRequestHandler):
    """Describes itself and gives a new token to everybody."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        base = f"http://127.0.0.1:{self.server.server_port}"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        self._say({"issuer": base} | {name: f"{base}/{name}" for name in names})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        token = uuid7()
        self._say(
            {
                "access_token": f"a-{token}",
                "refresh_token": f"r-{token}",
                "expires_in": 3600,
                "token_type": "Bearer",
            }
        )

    def _say(self, what):
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def provide(port):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    port.put(server.server_port)
    server.serve_forever()


def fill(runtime, issuer, count):
    """Make services, people, links and tokens; each person has links of two of the services."""
    with runtime.sessions() as session:
        made = [
            services.create(
                session, runtime, name=f"Accounts {number}", service_type="OAUTH_PROVIDER_OIDC",
                configurations={"issuer": issuer, "client_id": "bench", "client_secret": "a secret of the bench"},
                actor="bench", origin="cli", is_enabled=True,
            ).service_id
            for number in range(SERVICES)
        ]  # fmt: skip
        session.commit()
    now, people = runtime.clock.now(), []
    for first in range(0, count, BATCH):
        with runtime.sessions() as session:
            people += _fill_batch(session, runtime, made, range(first, min(first + BATCH, count)), now)
            session.commit()
    return made, people


def _fill_batch(session, runtime, made, numbers, now):
    users, rows, tokens, usage = [], [], [], []
    keys = {service: runtime.vault.data_key(session, f"links:{service}") for service in made}
    session.flush()
    for number in numbers:
        if number % 2 == 0:
            users.append(
                {"user_id": uuid7(), "email": f"p{number}@example.com", "name": "p", "role": "member"}
            )
        service = made[number % SERVICES]
        link = {
            "link_id": uuid7(),
            "user_id": users[-1]["user_id"],
            "service_id": service,
            "account_id": str(number),
        }
        link |= {
            "account_label": f"p{number}@provider.example",
            "asked": ["openid", "email"],
            "scopes": ["openid", "email"],
        }
        link |= {
            "state": "active",
            "linked_at": now,
            "last_used_at": now,
            "expires_at": now + timedelta(hours=1),
        }
        link |= {"can_refresh": True, "refreshed_at": now, "generation": 1, "failures": 0, "refusals": 0}
        link["refresh_due_at"] = now + timedelta(seconds=60 + number % 3300)
        key = keys[service]
        row = SimpleNamespace(id=link["link_id"], ct="")
        value = json.dumps({"a": f"a-{uuid7()}", "r": f"r-{uuid7()}"})
        ct = linked.sealed(row, runtime.vault.key_of(key), key.id, value)
        rows.append(link)
        tokens.append({"id": link["link_id"], "dek_id": key.id, "ct": ct, "rev": 1})
        usage.append(
            {
                "link_id": link["link_id"],
                "point": "calendar.sync",
                "day": now.date(),
                "calls": 7,
                "first_at": now,
                "last_at": now,
            }
        )
    for model, values in ((User, users), (Link, rows), (LinkTokens, tokens), (LinkUsage, usage)):
        session.execute(insert(model.__table__), [_whole(model, value, now) for value in values])
    return [(row["user_id"], row["service_id"]) for row in rows]


def _whole(model, value, now):
    """A row of Core with the defaults that the model would have."""
    if model is User:
        return value | {"is_active": True, "created_at": now}
    return value


def timed(work, inputs):
    """Milliseconds for each input, and those of the processor for one of them."""
    spent, cpu = [], time.process_time()
    for one in inputs:
        began = time.perf_counter()
        work(one)
        spent.append((time.perf_counter() - began) * 1000)
    return spent, (time.process_time() - cpu) * 1000 / len(spent)


def line(name, measured):
    spent, cpu = sorted(measured[0]), measured[1]
    figures = {
        "p50": statistics.median(spent),
        "p95": spent[int(len(spent) * 0.95)],
        "cpu": cpu,
        "n": len(spent),
    }
    print(
        f"| {name} | {figures['p50']:.2f} | {figures['p95']:.2f} | {cpu:.2f} | {figures['n']} |", flush=True
    )
    return {name: figures}


def in_session(runtime, work):
    def run(one):
        with runtime.sessions() as session:
            work(session, one)

    return run


def measure(runtime, made, people, rounds):
    rng = random.Random(7)
    some = [rng.choice(people) for _ in range(rounds)]
    print("| what | p50 ms | p95 ms | CPU ms | times |\n|---|---|---|---|---|")
    found = line(
        "the links of a person",
        timed(in_session(runtime, lambda s, p: links.links_of(s, runtime, p[0])), some),
    )
    found |= line(
        "what a person could link",
        timed(in_session(runtime, lambda s, p: links.available(s, runtime, p[0])), some),
    )
    found |= line("a token that still works", timed(lambda p: runtime.links.token(*p), some))
    found |= line(
        "50 of all links, newest first", timed(in_session(runtime, lambda s, _: find(s, runtime)), range(50))
    )
    found |= line(
        "one service in numbers",
        timed(in_session(runtime, links.links_of_service), made * 4),
    )
    found |= line("what is due, nothing being due", timed(lambda _: sweep.due(runtime), range(50)))
    return found


def renew(runtime, many):
    """Let the sweep renew so many."""
    with runtime.sessions() as session:
        chosen = list(session.scalars(select(Link.link_id).order_by(Link.link_id).limit(many)))
        past = runtime.clock.now() - timedelta(seconds=1)
        session.execute(update(Link).where(Link.link_id.in_(chosen)).values(refresh_due_at=past))
        session.commit()
    line("what is due, many being due", timed(lambda _: sweep.due(runtime), range(20)))
    began, cpu, done = time.perf_counter(), time.process_time(), 0
    while tried := sweep.sweep(runtime):
        done += tried
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    with runtime.sessions() as session:
        renewed = len(session.scalars(select(Link.link_id).where(Link.generation == 2)).all())
    figures = {"tried": done, "renewed": renewed, "per_second": done / wall, "cpu_ms_each": cpu * 1000 / done}
    print(
        f"The sweep renewed {renewed} of {done}: {done / wall:.0f} a second, {figures['cpu_ms_each']:.2f} ms of CPU each."
    )
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--renew", type=int, default=2_000)
    parser.add_argument("--database-url")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    context = multiprocessing.get_context("fork")
    port = context.Queue()
    provider = context.Process(target=provide, args=[port], daemon=True)
    provider.start()
    with tempfile.TemporaryDirectory() as place:
        url = given.database_url or f"sqlite:///{place}/bench.sqlite3"
        engine = make_engine(url)
        upgrade(engine)
        engine.dispose()
        config = Config(data_dir=Path(place), database_url=url, egress=EgressPolicy.parse("127.0.0.0/8"))
        runtime = Runtime.create(config, SystemClock())
        try:
            made, people = fill(runtime, f"http://127.0.0.1:{port.get()}", given.links)
            found = measure(runtime, made, people, given.rounds)
            found["sweep"] = renew(runtime, given.renew)
        finally:
            runtime.close()
            provider.terminate()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
