"""Breakers that changed: whoever looks after health is told which, so that nobody has to ask them all."""

from __future__ import annotations

from collections.abc import Sequence

from webapp.state import StateDown, Store

_DOC = "tripped"


class Tripped:
    """What breakers have to tell lies in the shared store until the leading process takes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, service_id: str) -> None:
        """A breaker of this service changed its state."""
        self._store.update(_DOC, lambda doc, now: ((doc or {}) | {service_id: now}, None))

    def take(self) -> Sequence[str]:
        """The services whose breakers changed since this was asked last."""
        try:
            (doc,), _ = self._store.read([_DOC])
            return self._store.update(_DOC, lambda doc, _now: ({}, tuple(doc or ()))) if doc else ()
        except StateDown:
            return ()
