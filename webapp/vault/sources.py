"""Where keys come from: the environment, a file that it names, a credential of systemd, the data directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from webapp.config import Config
from webapp.vault.errors import KeyRefused
from webapp.vault.keyfile import make_key, read_key, refuse_weak, write_once
from webapp.vault.provider import fingerprint

KEK_FILE = "patchbay.key"
KEY_DIR = "keys"
SECRET_FILE = "patchbay.secret"  # noqa: S105 - the name of a file
CREDENTIAL = "patchbay-kek"


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key and where it was found."""

    uri: str
    key: bytes = field(repr=False)


def find_kek(config: Config) -> FoundKey | None:
    """Return the key-encryption key, or None when there is none yet. Raises KeyRefused."""
    return _agreed(list(_keks(config)))


def find_more_keks(config: Config) -> list[FoundKey]:
    """Return the keys that lie ready for a rotation, or are kept for old backups. Raises KeyRefused."""
    place = key_dir(config)
    if not place.is_dir():
        return []
    return [_read(path) for path in sorted(place.glob("*.key")) if not path.name.startswith(".")]


def key_dir(config: Config) -> Path:
    """Where further keys are, beside the one that Patchbay started with."""
    return config.kek_dir or config.data_dir / KEY_DIR


def add_kek(config: Config) -> FoundKey:
    """Make a further key in the key directory. Raises KeyRefused when nothing can be written there."""
    key = make_key()
    path = key_dir(config) / f"local-{fingerprint(key)}.key"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, key)
    except OSError as error:
        raise KeyRefused(str(path), f"cannot be written: {error.strerror}.") from None
    return _read(path)


def make_kek(config: Config) -> FoundKey:
    """Make the key of a new installation; of several processes doing so, all get the key of the first."""
    path = config.data_dir / KEK_FILE
    write_once(path, make_key())
    return _read(path)


def _keks(config: Config) -> Iterator[FoundKey]:
    if config.kek is not None:
        refuse_weak("PATCHBAY_KEK", config.kek)
        yield FoundKey("env:PATCHBAY_KEK", config.kek)
    if config.kek_file is not None:
        yield _read(config.kek_file)
    places = [config.data_dir / KEK_FILE]
    if config.credentials_dir is not None:
        places.insert(0, config.credentials_dir / CREDENTIAL)
    for place in places:
        if place != config.kek_file and (key := read_key(place)) is not None:
            yield FoundKey(f"file:{place}", key)


def _agreed(found: list[FoundKey]) -> FoundKey | None:
    """Two different keys mean that somebody is mistaken, and guessing who would lose secrets."""
    for other in found[1:]:
        if other.key != found[0].key:
            first, second = fingerprint(found[0].key), fingerprint(other.key)
            raise KeyRefused(
                other.uri, f"holds the key {second}, but {found[0].uri} holds {first}; keep one."
            )
    return found[0] if found else None


def find_secret(config: Config) -> bytes:
    """Return the secret from which the keys of cookies, hashes and the audit chain are derived.

    It is apart from the key-encryption key, and made when there is none: losing it ends sessions, not secrets.
    """
    path = config.data_dir / SECRET_FILE
    if config.secret_key is not None:
        refuse_weak("PATCHBAY_SECRET_KEY", config.secret_key)
        return config.secret_key
    found = read_key(path)
    if found is None:
        write_once(path, make_key())
        found = _read(path).key
    return found


def _read(path: Path) -> FoundKey:
    key = read_key(path)
    if key is None:
        raise KeyRefused(str(path), "does not exist.")
    return FoundKey(f"file:{path}", key)
