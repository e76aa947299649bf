"""The list of attacks in docs/security.md names tests that exist, and leaves no number out."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \|.*\| (.+) \|$", re.MULTILINE)


def test_every_attack_has_a_test_that_exists():
    rows = ROW.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))

    assert [int(number) for number, _ in rows] == [*range(1, 49), *range(63, 86)]
    for number, cell in rows:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)
        assert named, number
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), (
                f"{number}: {file}::{test}"
            )
