"""Four workers of gunicorn under load, and a vendor that dies and returns: `python -m bench.fleet`.

Clients call through the API with a word of their own each; the vendor notes every word and repeats it in its answer.
Afterwards: how soon the breaker was open everywhere, how many calls each round of probes let through, how many rounds
the recovery took, and whether any answer was wrong, crossed or given twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import requests

from adapters.kit import EgressPolicy
from webapp.accounts import tokens
from webapp.config import Config
from webapp.db import upgrade
from webapp.registry import services
from webapp.runtime import Runtime

WORKERS, CLIENTS, PAUSE_S, WARM, ROOT = 4, 8, 0.03, 200, Path(__file__).parents[1]
OPEN_S = "FLEET_OPEN_S"
WORD = re.compile(rb'"word":\s*"([0-9a-z-]+)"')


def application():
    """The application with another length of the first pause, for a run that is not to take minutes."""
    from webapp.engine import breaker  # noqa: PLC0415 - only the workers load the application
    from wsgi import app  # noqa: PLC0415

    breaker.OPEN_S = float(os.environ.get(OPEN_S, breaker.OPEN_S))
    return app


class Vendor(asyncio.Protocol):
    """Notes the word and the time of each request; well it repeats the word, dead it cuts the connection."""

    seen: ClassVar[list[tuple[float, str]]] = []
    dead = False

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        if not (found := WORD.search(self.data)) or not self.data.rstrip().endswith(b"}"):
            return
        self.data, word = b"", found[1].decode()
        Vendor.seen.append((time.time(), word))
        if Vendor.dead:
            self.transport.abort()
            return
        body = json.dumps({"word": word}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


@contextmanager
def vendor():
    """The address of the vendor, in a thread."""
    loop, Vendor.seen, Vendor.dead = asyncio.new_event_loop(), [], False
    server = loop.run_until_complete(loop.create_server(Vendor, "127.0.0.1", 0, backlog=512))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def prepare(config, url):
    """Returns the id of the service and a token."""
    runtime = Runtime.create(config)
    upgrade(runtime.engine)
    runtime.vault.prepare()
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="HTTP", service_type="HTTP_PROVIDER_GENERIC", actor="bench", origin="cli",
            is_enabled=True, configurations={"base_url": url},
        )  # fmt: skip
        _, text = tokens.issue(session, runtime, name="bench", scopes=["calls:write"], created_by="bench")
        session.commit()
        service_id = made.service_id
    runtime.close()
    return service_id, text


@contextmanager
def workers(config, open_s):
    """The address of gunicorn with four workers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    env = os.environ | {
        "PORT": str(port), "HOST": "127.0.0.1", "WEB_CONCURRENCY": str(WORKERS), OPEN_S: str(open_s),
        "PATCHBAY_DATA_DIR": str(config.data_dir), "PATCHBAY_DATABASE_URL": config.database_url,
        "PATCHBAY_EGRESS_ALLOW": "127.0.0.0/8",
    }  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "bench.fleet:application()"]
    place = config.data_dir / "gunicorn.log"
    with place.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, place)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(address, process, log):
    """Wait until it answers."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(f"{address}/healthz", timeout=1)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(log.read_text()[-2000:])


class Load:
    """Clients that call until told to stop; `told` is when a call began, its word, its code and the word it got."""

    def __init__(self, address, service_id, token):
        self.address, self.service_id, self.token = address, service_id, token
        self.told, self.stop = [], threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(f"c{one}",)) for one in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self, name):
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token}"
            number = 0
            while not self.stop.is_set():
                number += 1
                self.call(session, f"{name}-{number}")
                time.sleep(PAUSE_S)

    def call(self, session, word):
        params = {"method": "POST", "path": "/orders", "json": {"word": word}}
        given = {"operation": "http.request", "service_type_preference": self.service_id, "params": params}
        began = time.time()
        try:
            answer = session.post(f"{self.address}/integrations/calls", json=given, timeout=50).json()
        except requests.RequestException as error:
            answer = {"code": type(error).__name__}
        got = (answer.get("result") or {}).get("json") or {}
        self.told.append((began, word, answer.get("code"), got.get("word")))

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self.told


def changes_of(config, service_id):
    """What the breaker went through, as (moment, state), oldest first."""
    runtime = Runtime.create(config)
    (doc,), _ = runtime.state.read([f"breaker:{service_id}"])
    runtime.close()
    return [(line["at"], line["to"]) for line in doc["story"]]


def judge(told, died, returned, changes):
    """The figures."""
    seen = Counter(word for _, word in Vendor.seen)
    good = {word for _, word, code, got in told if code is None and got == word}
    opened = next(at for at, state in changes if at >= died and state == "open")
    tries = [at for at, state in changes if state == "half_open"]
    closed = next(at for at, state in changes if at >= returned and state == "closed")
    burst = [at for at, _ in Vendor.seen if died <= at < tries[0]]
    ends = [*tries[1:], closed]
    probes = [sum(began <= at < end for at, _ in Vendor.seen) for began, end in zip(tries, ends, strict=True)]
    codes = Counter(code for began, _, code, _ in told if died + 1 < began < returned)
    well_again = next(began for began, _, code, _ in told if began > returned and code is None)
    return {
        "calls": len(told),
        "calls_a_second": round(len(told) / (told[-1][0] - told[0][0])),
        "open_after_s": round(opened - died, 2),
        "last_sent_after_s": round(max(burst) - died, 2),
        "sent_before_open": len(burst),
        "codes_while_dead": dict(codes),
        "probes_of_each_round": probes,
        "rounds_to_recover": sum(at >= returned for at in tries),
        "well_again_after_s": round(well_again - returned, 2),
        "wrong_or_crossed": sum(code is None and got != word for _, word, code, got in told),
        "answered_but_not_done": len(good - set(seen)),
        "done_twice": sum(count > 1 for count in seen.values()),
        "other_codes": sorted(
            {code for _, _, code, _ in told} - {None, "AMBIGUOUS_OUTCOME", "CIRCUIT_OPEN"}, key=str
        ),
    }


def until_answered(count, limit):
    """Wait until the vendor has got so many requests."""
    while time.time() < limit and len(Vendor.seen) < count:
        time.sleep(0.1)


def run(open_s=30.0, well_s=10.0, dead_s=100.0, back_s=90.0):
    """Returns the figures; `back_s` is how long the recovery may take."""
    with tempfile.TemporaryDirectory() as folder, vendor() as url:
        place = Path(folder)
        config = Config(
            place, f"sqlite:///{place / 'patchbay.sqlite3'}", egress=EgressPolicy.parse("127.0.0.0/8")
        )
        service_id, token = prepare(config, url)
        with workers(config, open_s) as address:
            load = Load(address, service_id, token)
            time.sleep(well_s)
            until_answered(WARM, time.time() + back_s)
            Vendor.dead, died = True, time.time()
            time.sleep(dead_s)
            Vendor.dead, returned = False, time.time()
            until_answered(len(Vendor.seen) + WARM, returned + back_s)
            told = sorted(load.end(), key=lambda one: one[0])
        return judge(told, died, returned, changes_of(config, service_id))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=float, default=30.0, help="seconds of the first pause")
    parser.add_argument("--dead", type=float, default=100.0, help="seconds the vendor is dead")
    given = parser.parse_args()
    print(json.dumps(run(given.open, dead_s=given.dead), indent=1))


if __name__ == "__main__":
    main()
