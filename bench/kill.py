"""Kill calling processes at random and count what was lost: `python -m bench.kill --rounds 500`.

Every caller notes a word before a call and after its result, the vendor notes every request. After the kill another
process adopts the journals, and the log has to tell the same story as the notes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import re
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from adapters.kit import Catalog, EgressPolicy
from bench.vendor import ANSWER
from webapp.config import Config
from webapp.db import make_engine, upgrade
from webapp.log.dayfiles import DayFiles
from webapp.registry import services
from webapp.runtime import Runtime

THREADS = 4
SUBJECT = re.compile(rb'"subject":"([0-9a-f-]+)"')
SERVICE = "EMAIL_PROVIDER_SENDGRID"


class Notes:
    """A file to which several processes append whole lines."""

    def __init__(self, path):
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, *words):
        os.write(self.file, (" ".join(words) + "\n").encode())

    def read(self):
        return [line.split() for line in self.path.read_text().splitlines()]


class Vendor(asyncio.Protocol):
    """Notes the subject of every mail, answers a little later."""

    def __init__(self, notes):
        self.notes = notes
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            length = int(re.search(rb"(?i)content-length: (\d+)", self.data[:end])[1])
            if len(self.data) < end + 4 + length:
                return
            self.notes.add(SUBJECT.search(self.data[: end + 4 + length])[1].decode())
            self.data = self.data[end + 4 + length :]
            asyncio.get_running_loop().call_later(random.random() * 0.01, self.answer)

    def answer(self):
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


def in_child(work, *given):
    """Run in a forked process; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work(*given)
        status = 0
    except BaseException as error:  # noqa: BLE001 - a child must not run on as a second parent
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def serve(notes, port):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Vendor(notes), "127.0.0.1", 0, backlog=512)
        os.write(port, str(server.sockets[0].getsockname()[1]).encode())
        await server.serve_forever()

    asyncio.run(main())


def prepare(config, port):
    runtime = Runtime.create(config)
    runtime.vault.prepare()
    with runtime.sessions() as session:
        services.create(
            session, runtime, name="Mail", service_type=SERVICE, actor="bench", origin="cli", is_enabled=True,
            configurations={
                "api_key": "SG.0123456789", "from_email": "a@example.com", "base_url": f"http://127.0.0.1:{port}",
            },
        )  # fmt: skip
        session.commit()
    runtime.close()


def make_calls(config, notes, ready):
    """Call without end, in several threads."""
    logging.disable(logging.CRITICAL)
    runtime = Runtime.create(config)
    answered = threading.Event()

    def work(name):
        for number in range(10**9):
            word = f"{name}-{number}"
            mail = {"to": "lin@example.com", "subject": word, "text": "Hello"}
            notes.add("begun", word)
            result = runtime.hub.call("email.send", mail, prefer=SERVICE, correlation_id=word)
            notes.add("done", word, str(result.call_id))
            answered.set()

    for _ in range(THREADS):
        threading.Thread(target=work, args=(os.urandom(6).hex(),), daemon=True).start()
    if not answered.wait(30):
        raise RuntimeError("No call came back.")
    os.write(ready, b"!")
    time.sleep(60)


def adopt(config):
    """What any living process does every few seconds."""
    logging.disable(logging.CRITICAL)
    runtime = Runtime.create(config)
    runtime.recorder.write_late()
    runtime.close()


def one_round(config, notes, processes):
    """Start callers, let them run for a moment, kill them all, adopt what they left."""
    ready_out, ready = os.pipe()
    children = [in_child(make_calls, config, notes, ready) for _ in range(processes)]
    for _ in children:
        os.read(ready_out, 1)
    time.sleep(random.uniform(0.02, 0.3))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(ready_out)
    os.close(ready)
    _, status = os.waitpid(in_child(adopt, config), 0)
    assert status == 0, "The journals could not be adopted."


def compare(database, told, asked):
    """What the log says against what callers and vendor noted."""
    with sqlite3.connect(database) as connection:
        calls = connection.execute("SELECT correlation_id, outcome, call_id FROM calls").fetchall()
    files = DayFiles(Path(f"{database}.days"))
    rows = []
    for day in files.days():
        with files.reading(day) as file:
            rows += file.exec_driver_sql("SELECT correlation_id, outcome FROM call_logs").all()
    files.close()
    attempts = Counter(word for word, _ in rows)
    pending = sum(end == "pending" for _, end in rows)
    outcome = {word: (end, str(call_id)) for word, end, call_id in calls}
    done = {words[1]: words[2] for words in told if words[0] == "done"}
    seen = Counter(words[0] for words in asked)
    return {
        "begun": sum(words[0] == "begun" for words in told),
        "finished": len(done),
        "unknown": sum(end == "unknown" for end, _ in outcome.values()),
        "finished_lost": sum(outcome.get(word) != ("succeeded", call_id) for word, call_id in done.items()),
        "sent_without_trace": sum(word not in outcome for word in seen),
        "sent_twice": sum(count > 1 for count in seen.values()),
        "rows_doubled": len(calls) - len(outcome) + sum(count > 1 for count in attempts.values()),
        "left_pending": pending + sum(end == "pending" for end, _ in outcome.values()),
        "segments_left": len(list(Path(database).parent.glob("journal/*.journal"))),
    }


def run(place, rounds, processes=(1, 4)):
    """Returns the comparison after so many rounds, which take turns with each number of processes."""
    config = Config(
        place, f"sqlite:///{place / 'patchbay.sqlite3'}", egress=EgressPolicy.parse("127.0.0.0/8")
    )
    engine = make_engine(config.database_url)
    upgrade(engine)
    engine.dispose()
    Catalog().get(SERVICE)  # loaded once, before the forks
    told, asked = Notes(place / "told"), Notes(place / "asked")
    port_out, port = os.pipe()
    vendor = in_child(serve, asked, port)
    try:
        number = os.read(port_out, 16).decode()
        _, status = os.waitpid(in_child(prepare, config, number), 0)
        assert status == 0
        for index in range(rounds):
            one_round(config, told, processes[index % len(processes)])
    finally:
        os.kill(vendor, signal.SIGKILL)
        os.waitpid(vendor, 0)
    return compare(place / "patchbay.sqlite3", told.read(), asked.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps({"rounds": given.rounds, **run(Path(place), given.rounds)}, indent=1))


if __name__ == "__main__":
    main()
