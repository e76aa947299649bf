"""Local keys in a file under a passphrase, to be kept apart from the backups of the database.

The file is JSON: MAGIC, the parameters of argon2id, its salt, and the keys sealed with AES-256-GCM. Without
the passphrase it tells only which keys are inside.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.kit.text import Message, N_
from webapp.config import Config
from webapp.vault.envelope import KEY_BYTES, NONCE_BYTES, associated
from webapp.vault.errors import KeyStepRefused
from webapp.vault.keyfile import refuse_weak, write_once
from webapp.vault.passphrase import LANES, LEAST, MEMORY, PASSES, checked, stretched
from webapp.vault.provider import fingerprint
from webapp.vault.sources import find_kek, find_more_keks, find_secret, key_dir

MAGIC = "patchbay-keys-1"
MOST_BYTES = 256 * 1024


def export_keys(config: Config, passphrase: str) -> str:
    """Return the export of every local key and of the installation's secret. Raises KeyStepRefused, KeyRefused."""
    if len(passphrase) < LEAST:
        text = N_("A passphrase has at least %(least)s characters.")
        raise KeyStepRefused(Message.of(text, least=LEAST))
    first = find_kek(config)
    keys = {item.key for item in [*([first] if first else []), *find_more_keks(config)]}
    marks = sorted(fingerprint(key) for key in keys)
    content = {
        "keys": {fingerprint(key): _text(key) for key in sorted(keys)},
        "secret": _text(find_secret(config)),
    }
    salt, nonce = secrets.token_bytes(16), os.urandom(NONCE_BYTES)
    header = {"memory": MEMORY, "passes": PASSES, "lanes": LANES, "salt": _text(salt), "fingerprints": marks}
    sealed = AESGCM(stretched(passphrase, header)).encrypt(
        nonce, json.dumps(content).encode(), _bound(header)
    )
    return json.dumps({"format": MAGIC, **header, "sealed": _text(nonce + sealed)}, indent=2) + "\n"


def import_keys(config: Config, text: str, passphrase: str) -> list[str]:
    """Put the keys of an export into the key directory; answer their fingerprints. Raises KeyStepRefused.

    The installation's secret is left alone: only `read_export` hands it out, for a new data directory.
    """
    keys = read_export(text, passphrase)["keys"]
    place = key_dir(config)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    here = {item.key for item in find_more_keks(config)}
    first = find_kek(config)
    for mark, key in keys.items():
        refuse_weak(mark, key)
        if key not in here and (first is None or key != first.key):
            write_once(place / f"local-{mark}.key", key)
    return sorted(keys)


def read_export(text: str, passphrase: str) -> dict[str, Any]:
    """Open an export: `keys` by fingerprint, and `secret`. Raises KeyStepRefused for anything but an intact one."""
    try:
        header = _parse(text)
        packed = base64.b64decode(header["sealed"], validate=True)
        key = stretched(passphrase, header)
        plain = AESGCM(key).decrypt(packed[:NONCE_BYTES], packed[NONCE_BYTES:], _bound(header))
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise KeyStepRefused(Message.of(N_("This is not an export of keys."))) from None
    except InvalidTag:
        raise KeyStepRefused(
            Message.of(N_("The passphrase does not fit, or the export was changed."))
        ) from None
    content = json.loads(plain)
    keys = {mark: base64.b64decode(encoded) for mark, encoded in content["keys"].items()}
    assert all(fingerprint(key) == mark and len(key) == KEY_BYTES for mark, key in keys.items())
    return {"keys": keys, "secret": base64.b64decode(content["secret"])}


def _parse(text: str) -> dict[str, Any]:
    """Read the header; its numbers are bounded, because they decide how much memory we take."""
    if len(text) > MOST_BYTES:
        raise ValueError
    header: dict[str, Any] = json.loads(text)
    if header["format"] != MAGIC:
        raise ValueError
    checked(header)
    return header


def _bound(header: Mapping[str, Any]) -> bytes:
    numbers = (str(header[name]) for name in ("memory", "passes", "lanes"))
    return associated(MAGIC, *numbers, header["salt"], *header["fingerprints"])


def _text(packed: bytes) -> str:
    return base64.b64encode(packed).decode()
