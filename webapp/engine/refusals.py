"""Credentials that a service refuses: the third refusal in a row is told to whoever looks after its health."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import Any

from webapp.engine.classify import Verdict
from webapp.state import StateDown, Store

IN_A_ROW = 3
REFUSED = "VENDOR_AUTH_REJECTED"
_DOC = "refused"

Doc = dict[str, Any]


class Refusals:
    """Counts in each process; what it has to tell lies in the shared store until the leading process takes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.forget_all()
        _all.add(self)

    def forget_all(self) -> None:
        """Begin without memory."""
        self._counts: dict[str, int] = {}

    def note(self, key: str, verdict: Verdict) -> None:
        """Learn from an attempt; whatever is neither a success nor a refusal says nothing about credentials."""
        if verdict.code is None:
            self._counts.pop(key, None)
        elif verdict.code == REFUSED:
            count = self._counts[key] = self._counts.get(key, 0) + 1
            if count == IN_A_ROW:
                self._store.update(_DOC, lambda doc, now: ((doc or {}) | {key: now}, None))

    def take(self) -> Sequence[str]:
        """The services whose credentials were refused often enough since this was asked last."""
        try:
            (doc,), _ = self._store.read([_DOC])
            return self._store.update(_DOC, lambda doc, _now: ({}, tuple(doc or ()))) if doc else ()
        except StateDown:
            return ()


_all: weakref.WeakSet[Refusals] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_all):
        one.forget_all()


os.register_at_fork(after_in_child=_after_fork)
