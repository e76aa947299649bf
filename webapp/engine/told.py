"""What processes that make calls have to tell the one that looks after health, so that nobody has to ask about all services."""

from __future__ import annotations

from collections.abc import Sequence

from webapp.state import StateDown, Store


class Told:
    """Services that something is to be said about: it lies in the shared store until the leading process takes it."""

    def __init__(self, store: Store, document: str) -> None:
        self._store = store
        self._document = document

    def note(self, service_id: str) -> None:
        """There is something to say about this service."""
        self._store.update(self._document, lambda doc, now: ((doc or {}) | {service_id: now}, None))

    def take(self) -> Sequence[str]:
        """The services noted since this was asked last."""
        try:
            (doc,), _ = self._store.read([self._document])
            return self._store.update(self._document, lambda doc, _now: ({}, tuple(doc or ()))) if doc else ()
        except StateDown:
            return ()
