"""A forked child neither talks over its parent's connections nor misses its parent's watchdog."""

import os
import signal
import time

import pytest

from adapters.kit import EgressPolicy, Fault, Http, Safety, Wire, transport_for
from tests.kit.faulty import FaultyServer, Peer

POLICY = EgressPolicy.parse("127.0.0.0/8")


def ask(server: FaultyServer, word: str, timeout: float = 2) -> str:
    wire = Wire.for_call(POLICY, attempt_timeout_s=timeout, safety=Safety.READ)
    return Http(wire).get(f"{server.url}/{word}", raw=True).text


def echo(peer: Peer) -> None:
    while head := peer.read():
        path = head.split(b" ")[1]
        if path == b"/hang":
            peer.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000)
        peer.answer(path)


def child(work) -> int:
    """Run work in a forked process and return its exit status; the child never returns here."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        try:
            os._exit(0 if work() else 1)
        except BaseException:  # noqa: BLE001
            os._exit(2)
    return pid


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_children_get_their_own_replies_and_their_own_watchdog():
    with FaultyServer(echo) as server:
        assert ask(server, "parent") == "/parent"
        before = transport_for(POLICY)

        def work_of(number: int):
            def work() -> bool:
                own = transport_for(POLICY) is not before
                right = all(ask(server, f"{number}-{turn}") == f"/{number}-{turn}" for turn in range(20))
                started = time.monotonic()
                try:
                    ask(server, "hang", 0.3)
                except Fault as fault:
                    return own and right and fault.code == "READ_TIMEOUT" and time.monotonic() - started < 2
                return False

            return work

        children = [child(work_of(number)) for number in range(3)]
        assert ask(server, "parent-again") == "/parent-again"

        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
