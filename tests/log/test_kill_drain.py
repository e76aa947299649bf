"""Whoever writes the log may be killed at any point: what is written beside the rows is what the rows say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = 8
WRONG = ("words_wrong", "sums_wrong", "days_wrong", "rows_doubled", "left_pending", "segments_left")


@pytest.mark.slow
def test_kills_of_the_writer_leave_sums_and_words_that_equal_the_rows(request):
    command = [sys.executable, "-m", "bench.kill_drain", "--rounds", str(ROUNDS)]
    if request.config.getoption("--database") == "postgresql":
        command += ["--database-url", request.getfixturevalue("empty_postgresql")]
    found = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300, check=False
    )

    assert found.returncode == 0, found.stderr
    counts = json.loads(found.stdout)
    assert counts["attempts"] > counts["killed"] > ROUNDS
    assert {name: counts[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
