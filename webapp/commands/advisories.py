"""Compares what is locked with known vulnerabilities, and says plainly when that could not be done.

`make audit` runs it with the path of pip-audit, which ends well also when no index knew anything. Here the exit
status tells the three apart: 0 everything was compared and nothing is known, 1 something is known, 2 not everything
could be compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

LOCK = "requirements-dev.lock"  # holds what runs, every extra, and the tools
INDEXES = ("pypi", "osv")
NOTHING, KNOWN, INCOMPLETE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an index said: lines about what is known, and how many packages it knew and did not know."""

    known: tuple[str, ...] = ()
    compared: int = 0
    missing: int = 0

    @classmethod
    def read(cls, text: str) -> Comparison:
        """Read pip-audit's JSON; what is none compared nothing."""
        try:
            packages = json.loads(text)["dependencies"]
        except (ValueError, KeyError, TypeError):
            return cls()
        answered = [package for package in packages if "vulns" in package]
        known = tuple(_line(package, one) for package in answered for one in package["vulns"])
        return cls(known, len(answered), len(packages) - len(answered))

    @property
    def status(self) -> int:
        """With what to exit."""
        if self.known:
            return KNOWN
        return NOTHING if self.compared and not self.missing else INCOMPLETE

    def told(self, index: str) -> str:
        """The same for people."""
        if not self.compared:
            return (
                f"{index}: nothing was compared, the index cannot be reached or knows none of the packages."
            )
        rest = f"; {self.missing} could not be compared" if self.missing else ""
        about = "\n".join(self.known) or "no known vulnerability"
        return f"{index}: {self.compared} packages compared{rest}\n{about}"


def _line(package: dict[str, Any], one: dict[str, Any]) -> str:
    names = " ".join([one["id"], *one.get("aliases", ())])
    fixed = ", ".join(one.get("fix_versions", ())) or "no version yet"
    return f"{package['name']} {package['version']}: {names}, fixed in {fixed}"


def compare(tool: str, index: str) -> Comparison:
    """Ask one index about every locked package."""
    asked = ["-r", LOCK, "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(  # noqa: S603 - the tool that make has just installed
        [tool, *asked, "--format", "json", "--vulnerability-service", index, "--timeout", "15"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Comparison.read(done.stdout)


def main(tool: str) -> int:
    """Ask one index after the other until one has compared everything."""
    status = INCOMPLETE
    for index in INDEXES:
        found = compare(tool, index)
        print(found.told(index))  # noqa: T201 - a tool for the terminal
        status = found.status
        if status != INCOMPLETE:
            break
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
