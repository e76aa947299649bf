"""Wrapping and unwrapping many data keys: in one request where a provider can, else one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from webapp.vault.errors import AWAY, ProviderError
from webapp.vault.provider import KeyContext, KeyProvider

T = TypeVar("T")
Item = tuple[T, KeyContext]


@runtime_checkable
class Batching(Protocol):
    """A provider that takes many at once. It raises when one of them is bad, without saying which."""

    def wrap_many(self, items: Sequence[tuple[bytes, KeyContext]]) -> list[str]:
        """Encrypt data keys."""

    def unwrap_many(self, items: Sequence[tuple[str, KeyContext]]) -> list[bytes]:
        """Decrypt data keys."""


def unwrapped(provider: KeyProvider, items: Sequence[tuple[str, KeyContext]]) -> list[bytes | None]:
    """The data keys behind blobs, None for one that does not open; raises AWAY."""
    together = provider.unwrap_many if isinstance(provider, Batching) else None
    return _each(items, together, provider.unwrap)


def wrapped(provider: KeyProvider, items: Sequence[tuple[bytes, KeyContext]]) -> list[str | None]:
    """Data keys wrapped, None for one that is not taken; raises AWAY."""
    together = provider.wrap_many if isinstance(provider, Batching) else None
    return _each(items, together, provider.wrap)


def rewrapped(provider: KeyProvider, items: Sequence[tuple[str, KeyContext]]) -> list[str | None]:
    """Blobs wrapped anew by their own provider, None for one that does not open; raises AWAY."""
    return _each(items, provider.rewrap, lambda blob, context: provider.rewrap([(blob, context)])[0])


R = TypeVar("R")


def _each(
    items: Sequence[tuple[T, KeyContext]],
    together: Callable[[Sequence[tuple[T, KeyContext]]], list[R]] | None,
    alone: Callable[[T, KeyContext], R],
) -> list[R | None]:
    """All at once; where one spoils that, each alone."""
    if together is not None and items:
        try:
            return list(together(items))
        except AWAY:
            raise
        except ProviderError:
            pass
    return [_or_none(alone, value, context) for value, context in items]


def _or_none(alone: Callable[[T, KeyContext], R], value: T, context: KeyContext) -> R | None:
    try:
        return alone(value, context)
    except AWAY:
        raise
    except ProviderError:
        return None
