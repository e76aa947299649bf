"""Settings of the hand-over: a trusted proxy that tells us, signed, which person of its platform a request is from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.config import Reader

PLAIN = ("HANDOVER_FROM",)
SECRET = ("HANDOVER_KEY",)
_SHORTEST = 32


@dataclass(frozen=True, slots=True)
class Handover:
    """The key that both sides know, and from where it is taken."""

    key: str = field(repr=False)
    networks: tuple[str, ...]


def read(reader: Reader) -> Handover | None:
    """Read the hand-over, None when there is none; raises ConfigError for one that would be open to forgery."""
    key, networks = reader.text("HANDOVER_KEY"), reader.networks("HANDOVER_FROM")
    if key is None:
        if networks:
            reader.refuse("HANDOVER_KEY", "is needed with PATCHBAY_HANDOVER_FROM.")
        return None
    if len(key) < _SHORTEST:
        reader.refuse("HANDOVER_KEY", f"must hold at least {_SHORTEST} characters.")
    if not networks:
        reader.refuse("HANDOVER_FROM", "must name the addresses of the proxy.")
    return Handover(key, networks)
