"""The anchor of the audit chain: a small file beside the database that knows how far the chain had come.

Whoever can write to the database can cut entries off its end and leave a chain that still fits. They cannot
write this file, whose content carries a keyed hash of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.db import locked_file
from webapp.disk import sync_directory

if TYPE_CHECKING:
    from webapp.runtime import Runtime

FILE = "audit-head.json"
EVERY_S = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry that is known to have been there; since is the first one this file ever knew."""

    seq: int
    mac: str
    since: int


def read(runtime: Runtime) -> Head | None:
    """Return what the file says; None when there is none, or when somebody else wrote it."""
    try:
        content = json.loads(_path(runtime).read_text(encoding="ascii"))
        head = Head(int(content["seq"]), str(content["mac"]), int(content["since"]))
        return head if hmac.compare_digest(str(content["check"]), _check(runtime, head)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def exists(runtime: Runtime) -> bool:
    """Tell whether there is a file at all, readable or not."""
    return _path(runtime).exists()


def is_fresh(runtime: Runtime) -> bool:
    """Tell whether the file was written within the last minute, by whichever process."""
    try:
        return 0 <= time.time() - _path(runtime).stat().st_mtime < EVERY_S
    except OSError:
        return False


def write(runtime: Runtime, seq: int, mac: str, *, anew: bool = False) -> None:
    """Put a head into the file, durably and whole; it never goes back unless it begins anew.

    A data directory that cannot be written to is no reason to refuse the work whose trace this is.
    """
    try:
        with locked_file(_path(runtime).with_suffix(".lock")):
            before = None if anew else read(runtime)
            if before is None or before.seq < seq:
                _replace(runtime, Head(seq, mac, before.since if before else seq))
    except OSError as error:
        _log.error("The head of the audit chain cannot be kept outside the database: %s", error.strerror)


def _replace(runtime: Runtime, head: Head) -> None:
    path = _path(runtime)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        content = {"seq": head.seq, "mac": head.mac, "since": head.since, "check": _check(runtime, head)}
        file.write(json.dumps(content) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def _check(runtime: Runtime, head: Head) -> str:
    content = f"{head.seq}:{head.mac}:{head.since}".encode()
    return hmac.digest(runtime.vault.derive(b"audit anchor"), content, hashlib.sha256).hex()


def _path(runtime: Runtime) -> Path:
    return runtime.config.data_dir / FILE
