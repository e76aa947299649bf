"""A process that is killed in the middle of a call leaves a trace of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.engine.conftest import API_KEY
from tests.engine.vendor import HANG
from webapp.log.filters import LogFilter

CALLER = """
import sys
from pathlib import Path
from adapters.kit import EgressPolicy
from webapp.config import Config
from webapp.runtime import Runtime
config = Config(data_dir=Path(sys.argv[1]), database_url=sys.argv[2], egress=EgressPolicy.parse("127.0.0.0/8"))
Runtime.create(config).hub.call(
    "email.send", {"to": "lin@example.com", "subject": "Hi", "text": "Hello"}, prefer=sys.argv[3], correlation_id="c-1"
)
"""


def until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.slow
def test_an_attempt_is_on_record_before_it_is_sent(runtime, vendor, service, caplog):
    slow = vendor(HANG)
    mail = service(slow.url)
    config = runtime.config
    arguments = [str(config.data_dir), config.database_url, mail]
    caller = subprocess.Popen([sys.executable, "-c", CALLER, *arguments], cwd=os.getcwd())  # noqa: PTH109
    assert slow.read.wait(20)
    until(lambda: runtime.log.search(LogFilter(correlation_id="c-1")).items)

    caller.send_signal(signal.SIGKILL)
    caller.wait(5)

    (begun,) = runtime.log.search(LogFilter(correlation_id="c-1")).items
    assert (begun.outcome, begun.phase, begun.is_success) == ("pending", "dispatched", None)
    runtime.recorder.write_late()
    (ended,) = runtime.log.search(LogFilter(correlation_id="c-1")).items
    assert (ended.outcome, ended.effect, ended.error_message) == ("unknown", "UNKNOWN", "process_died")
    call = runtime.log.call(ended.call_id)
    assert (call.outcome, call.code) == ("unknown", "AMBIGUOUS_OUTCOME")
    gates = runtime.gates
    assert (gates.bulkhead.taken(mail), gates.breakers.look(mail)) == (0, None), (
        "nothing is held, nobody voted"
    )
    assert API_KEY not in repr((call, runtime.log.bodies(ended.log_id), caplog.text))


@pytest.mark.slow
def test_a_script_that_ends_leaves_its_calls_in_the_log_and_no_journal(runtime, vendor, service):
    mail = service(vendor().url)
    config = runtime.config
    arguments = [str(config.data_dir), config.database_url, mail]
    subprocess.run([sys.executable, "-c", CALLER, *arguments], cwd=os.getcwd(), check=True)  # noqa: PTH109

    (ended,) = runtime.log.search(LogFilter(correlation_id="c-1")).items
    assert ended.outcome == "succeeded"
    assert list((config.data_dir / "journal").glob("*.journal")) == []
