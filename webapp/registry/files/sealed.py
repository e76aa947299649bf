"""Secrets in a file under a passphrase: each opens only for its service, its setting and its destination."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.kit import Entry, Message, N_
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.files.reading import ServiceEntry
from webapp.vault.errors import Corrupt
from webapp.vault.passphrase import Passphrase

MARK = "pb/file/1"


class Sealed:
    """Opens the sealed secrets of one file; the passphrase is stretched once, when the first one is met."""

    def __init__(self, header: Mapping[str, Any] | None, passphrase: str | None) -> None:
        """Keep what is needed; nothing is checked before it is used."""
        self._header, self._passphrase = header, passphrase
        self._key: Passphrase | None = None

    def open(self, entry: ServiceEntry, known: Entry, name: str, text: str) -> str:
        """The secret behind a stub; raises Invalid."""
        if not self._passphrase:
            raise _refusal(name, "passphrase", N_("This secret is sealed: give the passphrase of the file."))
        try:
            if self._key is None:
                self._key = Passphrase(self._passphrase, self._header or {})
            return self._key.open(text, *place(entry.name, known, name, entry.configurations))
        except ValueError:
            raise _refusal(name, "sealed", N_("The file does not say how its secrets are sealed.")) from None
        except Corrupt:
            text_ = N_(
                "The passphrase does not fit, or the secret was sealed for another service or destination."
            )
            raise _refusal(name, "sealed", text_) from None


def place(service_name: str, known: Entry, name: str, configurations: Mapping[str, Any]) -> tuple[str, ...]:
    """What a sealed secret is bound to; a default counts as if it were written out."""
    assert known.adapter is not None
    leads = {
        spec.name: configurations.get(spec.name, spec.default)
        for spec in known.adapter.Config.specs()
        if spec.destination
    }
    told = json.dumps(leads, sort_keys=True, ensure_ascii=False, default=str)
    return MARK, service_name, known.service_type, name, told


def _refusal(name: str, code: str, text: str) -> Invalid:
    return Invalid([Flaw.at("configurations", name, code=code, message=Message.of(text))])
