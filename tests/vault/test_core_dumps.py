"""A worker that crashes leaves no picture of its memory behind, for keys are in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.faulty import closed_port

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    """A server as `make run` starts it, with one worker, over an empty directory."""
    address = {"HOST": "127.0.0.1", "PORT": str(closed_port()), "WEB_CONCURRENCY": "1"}
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
        cwd=ROOT, env=os.environ | address | {"PATCHBAY_DATA_DIR": str(data)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def core_limits(pid):
    """What the kernel would let each child of a process write when it crashes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        "/".join(line.split()[4:6])
        for child in children
        for line in Path(f"/proc/{child}/limits").read_text().splitlines()
        if line.startswith("Max core file size")
    }


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="needs /proc")
def test_a_worker_may_write_no_core_file(server):
    ends = time.monotonic() + 30
    while core_limits(server.pid) != {"0/0"} and time.monotonic() < ends:
        time.sleep(0.1)

    assert core_limits(server.pid) == {"0/0"}
