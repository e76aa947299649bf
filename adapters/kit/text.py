"""Sentences for people: marked for translation where they are written, translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def N_(msgid: str) -> str:  # noqa: N802 - the name gettext's extractor looks for
    """Mark an English sentence for translation and return it unchanged."""
    return msgid


@dataclass(frozen=True, slots=True)
class Message:
    """One whole sentence with its values; `str()` of it is the English text."""

    msgid: str
    values: Mapping[str, object] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, msgid: str, **values: object) -> Message:
        """Build a message whose `%(name)s` places are filled from the keywords."""
        return cls(msgid, values)

    @classmethod
    def wrap(cls, text: Message | str) -> Message:
        """Accept a sentence either way it may be given."""
        return text if isinstance(text, Message) else cls(text)

    def __str__(self) -> str:
        return self.msgid % self.values if self.values else self.msgid

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready members, so that a stored message can be translated later."""
        return {"msgid": self.msgid, "values": {name: _plain(value) for name, value in self.values.items()}}


def _plain(value: object) -> object:
    return value if isinstance(value, (int, float, str, type(None))) else str(value)
