"""Credentials that a service refuses: the third refusal in a row is told to whoever looks after its health."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence

from webapp.engine.classify import Verdict
from webapp.engine.told import Told
from webapp.state import Store

IN_A_ROW = 3
REFUSED = "VENDOR_AUTH_REJECTED"


class Refusals:
    """Counts in each process; what it has to tell lies in the shared store until the leading process takes it."""

    def __init__(self, store: Store) -> None:
        self._told = Told(store, "refused")
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
                self._told.note(key)

    def take(self) -> Sequence[str]:
        """The services whose credentials were refused often enough since this was asked last."""
        return self._told.take()


_all: weakref.WeakSet[Refusals] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_all):
        one.forget_all()


os.register_at_fork(after_in_child=_after_fork)
