"""How fast the page of the log is, while calls are written: `python -m bench.pages`.

gunicorn with two workers, as `make run` starts it, over a log of so many attempts; eight readers, each signed in and on
a connection of its own, ask for pages of 50 as fast as they get them, while one more process writes 500 calls a second
through the journal. Readers, workers and writer share the machine's processors. One round is without the writer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from sqlalchemy import insert

from bench.kill import in_child
from bench.kill_drain import one_call
from bench.log_rows import SERVICES, Rows
from webapp import create_app
from webapp.accounts import users
from webapp.config import Config
from webapp.db import make_engine, upgrade
from webapp.log.ledger import Ledger
from webapp.log.rollups import settle
from webapp.log.writer import write
from webapp.models.service import Service
from webapp.runtime import Runtime

ROOT = Path(__file__).parents[1]
PERSON = {
    "email": "bench@example.com",
    "name": "Bench",
    "role": "owner",
    "password": "a long enough passphrase",
}
WARM_S = 3.0
PAGES = {
    "newest": {},
    "last 24 hours": {"range": "24h"},
    "failed": {"q": "outcome:failed"},
    "one service": {"q": "service:s-03"},
    "slow ones of a type": {"q": "type:SMS_PROVIDER_* dur>500"},
    "words": {"q": "余额不足"},
}


class Place(NamedTuple):
    """Where pages are asked for, by whom, and whose processor they cost."""

    port: int
    process: int
    cookie: str


def prepare(directory: Path, rows: int) -> Config:
    """A database with services, a person and a log."""
    env = {"PATCHBAY_DATA_DIR": str(directory), "PATCHBAY_REQUIRE_MFA": "0"}
    runtime = Runtime.create(Config.from_env(env))
    upgrade(runtime.engine)
    now = runtime.clock.now()
    services = [
        {
            "service_id": f"s-{number:02}", "service_name": f"s-{number:02}", "name_key": f"s-{number:02}",
            "service_type": "HTTP_PROVIDER_GENERIC", "contract": "HTTP_SERVICE", "is_enabled": False, "revision": 1,
            "configurations": {"base_url": "http://127.0.0.1:1"}, "secrets": {}, "created_at": now, "updated_at": now,
        }
        for number in range(SERVICES)
    ]  # fmt: skip
    with runtime.engine.begin() as connection:
        connection.execute(insert(Service), services)
    with create_app(runtime=runtime).app_context(), runtime.sessions() as session:
        users.create_user(session, runtime, **PERSON, actor="bench")
        session.commit()
    for batch in Rows(rows, datetime.now(UTC) - timedelta(seconds=1)).batches():
        write(runtime.engine, batch)
    with runtime.engine.begin() as connection:
        settle(connection)
    runtime.close()
    return runtime.config


@contextmanager
def served(directory: Path):
    """gunicorn with two workers: its port and its process."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    env = {
        **os.environ, "PATCHBAY_DATA_DIR": str(directory), "PATCHBAY_REQUIRE_MFA": "0", "WEB_CONCURRENCY": "2",
        "PORT": str(port), "HOST": "127.0.0.1",
    }  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    with (directory / "gunicorn.log").open("w") as notes:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=notes, stderr=notes)
    try:
        wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def worked_s(parent: int) -> float:
    """The seconds of the processor that the workers have used so far."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if int(fields[1]) == parent:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("gunicorn did not start.")


def sign_in(port: int) -> str:
    """The cookies of a session."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/login")
    answer = connection.getresponse()
    guest, page = cookies(answer), answer.read().decode()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    form = urlencode({"email": PERSON["email"], "password": PERSON["password"], "csrf_token": token})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": guest}
    connection.request("POST", "/login", form, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == HTTPStatus.SEE_OTHER, answer.status
    return cookies(answer)


def cookies(answer: http.client.HTTPResponse) -> str:
    return "; ".join(line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie") or ())


def read_on(place: Place, path: str, until: float, taken: list[float]) -> None:
    """One reader: the next page as soon as there is the last."""
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
    while time.monotonic() < until:
        began = time.monotonic()
        connection.request("GET", path, headers={"Cookie": place.cookie})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == HTTPStatus.OK, answer.status
        assert b"</html>" in body
        taken.append(time.monotonic() - began)


def measure(place: Place, path: str, readers: int, seconds: float) -> dict[str, float]:
    """Pages a second, how long they took, and what they cost the workers."""
    taken: list[list[float]] = [[] for _ in range(readers)]
    before, began = worked_s(place.process), time.monotonic()
    threads = [threading.Thread(target=read_on, args=(place, path, began + seconds, own)) for own in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted = time.monotonic() - began
    everything = [one * 1000 for own in taken for one in own]
    return {
        "pages/s": len(everything) / lasted,
        "CPU ms": (worked_s(place.process) - before) / len(everything) * 1000,
        "p50": statistics.median(everything),
        "p95": statistics.quantiles(everything, n=20)[-1],
    }


def write_on(url: str, directory: Path, a_second: int, told: int) -> None:
    """Write so many calls a second until told to stop; says how many it managed."""
    logging.disable(logging.CRITICAL)
    ledger, stopped = Ledger(directory, make_engine(url)), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    began, written = time.monotonic(), 0
    while not stopped.is_set():
        if written < (time.monotonic() - began) * a_second:
            one_call(ledger)
            written += 1
        else:
            time.sleep(0.001)
    os.write(told, str(round(written / (time.monotonic() - began))).encode())
    ledger.close()


def run(rows: int, readers: int, seconds: float, a_second: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        config = prepare(directory, rows)
        with served(directory) as (port, process):
            place = Place(port, process, sign_in(port))
            measure(place, "/logs", readers, WARM_S)
            report: dict[str, object] = {"rows": rows, "readers": readers}
            report["one reader"] = measure(place, "/logs", 1, seconds)
            report["quiet"] = measure(place, "/logs", readers, seconds)
            hear, told = os.pipe()
            writer = in_child(write_on, config.database_url, directory / "journal", a_second, told)
            try:
                for name, given in PAGES.items():
                    path = f"/logs?{urlencode(given)}"
                    report[name] = measure(place, path, readers, seconds)
            finally:
                os.kill(writer, signal.SIGTERM)
                report["calls written a second"] = int(os.read(hear, 20))
                os.waitpid(writer, 0)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--calls", type=int, default=500, help="calls written a second")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    report = run(given.rows, given.readers, given.seconds, given.calls)
    print(f"{'':24}{'pages/s':>10}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}")
    for name, one in report.items():
        if isinstance(one, dict):
            print(f"{name:24}{one['pages/s']:10.0f}{one['p50']:10.1f}{one['p95']:10.1f}{one['CPU ms']:10.1f}")
        else:
            print(f"{name:24}{one:10,}")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
