"""What one call costs, beside what it costs by hand: `python -m bench.call_overhead`.

All ways run in turns within one process against the same vendor; the ratios count, not the microseconds.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from adapters.kit import Reply, http
from bench.vendor import vendor
from bench.ways import WAYS, Ours

SETTINGS = ((1, 0.0), (8, 20.0), (32, 20.0))  # threads and the vendor's time in ms
BASE = "requests.Session"


def run(way, threads, calls):
    """One slice: every thread makes its share; returns latencies (s), wall time and CPU time (s)."""
    latencies = [[] for _ in range(threads)]
    ready = threading.Barrier(threads + 1)

    def work(mine):
        ready.wait()
        for _ in range(calls // threads):
            began = time.perf_counter()
            way.call()
            mine.append(time.perf_counter() - began)

    workers = [threading.Thread(target=work, args=(mine,)) for mine in latencies]
    for worker in workers:
        worker.start()
    ready.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.join()
    wall = time.perf_counter() - wall
    way.settle()
    return [one for mine in latencies for one in mine], wall, time.process_time() - cpu


def measure(threads, delay_ms, rounds, calls, database_url):
    """Rounds of slices in random order; returns the figures of each way."""
    samples = {}
    with vendor(delay_ms) as url, tempfile.TemporaryDirectory() as place:
        ways = [make(url, Path(place), database_url) for make in WAYS]
        for way in ways:
            run(way, threads, threads * 4)
        for _ in range(rounds):
            random.shuffle(ways)
            for way in ways:
                # What a breaker serialises takes its time; fewer calls say the same.
                share = calls // 10 if way.name == "by hand" and delay_ms else calls
                samples.setdefault(way.name, []).append(run(way, threads, max(share, threads)))
        for way in ways:
            way.close()
    return {name: figures(slices) for name, slices in samples.items()}


def figures(slices):
    """Medians over the rounds."""
    each = []
    for latencies, wall, cpu in slices:
        latencies.sort()
        count = len(latencies)
        each.append((
            latencies[count // 2] * 1e6, latencies[min(count - 1, count * 99 // 100)] * 1e6,
            count / wall, cpu / count * 1e6,
        ))  # fmt: skip
    names = ("p50_us", "p99_us", "calls_per_s", "cpu_us")
    return dict(zip(names, (statistics.median(column) for column in zip(*each, strict=True)), strict=True))


def stubbed(rounds, calls, database_url):
    """Calls without a network, one thread: what is left is ours. Microseconds, medians of the rounds."""
    with tempfile.TemporaryDirectory() as place, without_network():
        ours = Ours("http://127.0.0.1:9", Path(place), database_url)
        run(ours, 1, calls)
        found = figures([run(ours, 1, calls) for _ in range(rounds)])
        ours.close()
    return found


@contextmanager
def without_network():
    """Let every request be answered at once, by nobody."""

    class Nobody:
        def send(self, _outgoing, wire):
            wire.phase = "done"
            return Reply.of(202, {"X-Message-Id": "m-1"})

    before, http.transport_for = http.transport_for, lambda *_: Nobody()
    try:
        yield
    finally:
        http.transport_for = before


def table(threads, delay_ms, found):
    """The figures as a table for people, each beside its ratio to the pooled session."""
    base = found[BASE]
    yield f"\n{threads} threads, vendor {delay_ms:g} ms\n"
    yield "| way | p50 µs | p99 µs | calls/s | CPU µs | CPU ratio | p50 ratio | calls/s ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, row in sorted(found.items(), key=lambda item: item[1]["cpu_us"]):
        yield (
            f"| {name} | {row['p50_us']:.0f} | {row['p99_us']:.0f} | {row['calls_per_s']:.0f} | {row['cpu_us']:.0f} "
            f"| {row['cpu_us'] / base['cpu_us']:.2f} | {row['p50_us'] / base['p50_us']:.2f} "
            f"| {row['calls_per_s'] / base['calls_per_s']:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=600, help="calls of each way in each round")
    parser.add_argument("--threads", type=int, action="append", help="only these of the settings")
    parser.add_argument("--database-url", help="where the hub keeps its log, a SQLite file by default")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    results = []
    for threads, delay_ms in SETTINGS:
        if given.threads and threads not in given.threads:
            continue
        found = measure(threads, delay_ms, given.rounds, given.calls, given.database_url)
        results.append({"threads": threads, "vendor_ms": delay_ms, "ways": found})
        print("\n".join(table(threads, delay_ms, found)), flush=True)
    if not given.threads:
        alone = stubbed(given.rounds, given.calls, given.database_url)
        results.append({"threads": 1, "stub": alone})
        print(
            "\nwithout a network, one thread: "
            + ", ".join(f"{name} {value:.0f}" for name, value in alone.items())
        )
    if given.json:
        given.json.write_text(json.dumps({"python": sys.version, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
