"""Four workers of gunicorn, one vendor that dies and returns: the short form of `python -m bench.fleet`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SHORT = "import json; from bench.fleet import run; print(json.dumps(run(1.0, 0.0, 3.0, 60.0)))"


@pytest.mark.slow
def test_four_workers_leave_a_dead_vendor_alone_together(request):
    if request.config.getoption("--database") != "sqlite":
        pytest.skip("the run makes a database of its own")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SHORT], cwd=root, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert found["sent_before_open"] <= 5 * 4 + 8, "five in a row in each worker, and what was under way"
    assert max(found["probes_of_each_round"]) <= 3
    assert found["rounds_to_recover"] == 1
    assert (found["wrong_or_crossed"], found["answered_but_not_done"], found["done_twice"]) == (0, 0, 0)
    assert found["other_codes"] == []
