"""Asking a vendor what became of something that was sent without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from adapters.kit.text import Message


@dataclass(frozen=True, slots=True)
class Sent:
    """What a lookup has to go by: our own stable number of the request, and when it was sent (aware)."""

    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the vendor says: `done`, `not_done` where that is certain, or `unclear`, which is asked again later."""

    outcome: Literal["done", "not_done", "unclear"]
    message: Message
    result: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def done(cls, text: Message | str, **result: Any) -> Self:
        """The vendor knows the request and carried it out; `result` has members of the operation's result."""
        return cls("done", Message.wrap(text), result)

    @classmethod
    def not_done(cls, text: Message | str) -> Self:
        """The vendor says for certain that it did not carry it out."""
        return cls("not_done", Message.wrap(text))

    @classmethod
    def unclear(cls, text: Message | str) -> Self:
        """Nothing is known yet: a list that does not show it proves nothing."""
        return cls("unclear", Message.wrap(text))
