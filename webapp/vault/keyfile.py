"""Key files: written once, for their owner only, and read with suspicion.

A file holds four lines: MAGIC, the id of the key, its 32 bytes in base64, and a checksum (the first four bytes
of SHA-256), because keys get typed in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import secrets
import stat
from pathlib import Path

from webapp.disk import sync_directory
from webapp.vault.errors import KeyRefused
from webapp.vault.provider import fingerprint

MAGIC = "patchbay-key-1"
KEY_BYTES = 32
MAX_FILE = 4096
# Whoever mounts files here (a container platform, systemd) decides on their modes and may use links.
MOUNTS = (Path("/run"), Path("/var/run"))
DOCUMENTED_EXAMPLE = bytes(range(KEY_BYTES))

_log = logging.getLogger(__name__)


def make_key() -> bytes:
    """Make a random key of 32 bytes."""
    return secrets.token_bytes(KEY_BYTES)


def write_once(path: Path, key: bytes) -> None:
    """Put a key into a new file, whole or not at all; an existing file is never touched.

    The content appears under its name by a link, so another process finds no file or a complete one.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_format(key))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path, follow_symlinks=False)
        except FileExistsError:
            return  # another process was first; its key counts
    finally:
        draft.unlink()
    sync_directory(path.parent)


def _format(key: bytes) -> bytes:
    lines = (MAGIC, f"local-{fingerprint(key)}", base64.b64encode(key).decode(), _checksum(key))
    return ("\n".join(lines) + "\n").encode()


def _checksum(key: bytes) -> str:
    return hashlib.sha256(key).digest()[:4].hex()


def read_key(path: Path) -> bytes | None:
    """Read a key file; None when there is none. Raises KeyRefused with the exact reason."""
    content = _read_guarded(path)
    if content is None:
        return None
    try:
        lines = content.decode("ascii").split()
    except UnicodeDecodeError:
        raise KeyRefused(str(path), "is not a key file: it holds other than plain characters.") from None
    if not lines:
        raise KeyRefused(str(path), "is empty.")
    key = _parse(path, lines)
    refuse_weak(str(path), key)
    return key


def _read_guarded(path: Path) -> bytes | None:
    """Read a regular file that only its owner, who we are, can read."""
    mounted = any(path.is_relative_to(mount) for mount in MOUNTS)
    follow = 0 if mounted else os.O_NOFOLLOW
    try:
        # Without O_NONBLOCK a named pipe would wait for its writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (
            "is a symbolic link."
            if path.is_symlink() and not mounted
            else f"cannot be opened: {error.strerror}."
        )
        raise KeyRefused(str(path), reason) from None
    try:
        _inspect(path, os.fstat(descriptor), mounted=mounted)
        return os.read(descriptor, MAX_FILE)
    finally:
        os.close(descriptor)


def _inspect(path: Path, status: os.stat_result, *, mounted: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyRefused(str(path), "is not a regular file.")
    if status.st_size > MAX_FILE:
        raise KeyRefused(str(path), "is too long to be a key file.")
    complaint = None
    if status.st_mode & 0o077:
        complaint = f"can be used by others (mode {stat.S_IMODE(status.st_mode):04o}); run chmod 600 on it."
    elif status.st_uid != os.geteuid():
        complaint = f"belongs to the user {status.st_uid}, not to {os.geteuid()}."
    if complaint and not mounted:
        raise KeyRefused(str(path), complaint)
    if complaint:
        _log.warning("%s %s", path, complaint)


def _parse(path: Path, lines: list[str]) -> bytes:
    """Read our own format, or the bare base64 that container platforms hold."""
    if len(lines) == 1 and lines[0] != MAGIC:
        return _decode(path, lines[0])
    if lines[0] != MAGIC:
        raise KeyRefused(str(path), f"is not a key file: it does not start with {MAGIC}.")
    if len(lines) != 4:  # noqa: PLR2004 - the four lines of the format above
        raise KeyRefused(str(path), f"is damaged: {len(lines)} words instead of four.")
    key = _decode(path, lines[2])
    if lines[3] != _checksum(key) or lines[1] != f"local-{fingerprint(key)}":
        raise KeyRefused(str(path), "is damaged: the key does not fit its checksum; look for a typing error.")
    return key


def _decode(path: Path, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise KeyRefused(str(path), "is damaged: the key is not valid base64.") from None
    if len(key) != KEY_BYTES:
        raise KeyRefused(str(path), f"holds a key of {len(key)} bytes instead of {KEY_BYTES}.")
    return key


def refuse_weak(source: str, key: bytes) -> None:
    """Refuse keys that anybody could guess."""
    if len(set(key)) == 1:
        raise KeyRefused(source, "holds a key of equal bytes, which is no key.")
    if key == DOCUMENTED_EXAMPLE:
        raise KeyRefused(source, "holds the example key of the documentation.")
