"""The protocol of a store of shared state: small JSON documents, each changed by one process at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from webapp.state.gcra import Rate, take

Doc = dict[str, Any]
T = TypeVar("T")
Change = Callable[[Doc | None, float], tuple[Doc | None, T]]
"""From a document (None when there is none) and the store's time to the new document (None: leave it) and an answer.

It may be asked more than once, so it must have no effect of its own.
"""

DAY_S = 86_400.0


class StateDown(Exception):
    """The store did not answer in time."""


class Store(ABC):
    """Documents by key. Every method raises StateDown when the store does not answer."""

    cache_s: float = 0.25
    """How old a document may be that is only looked at."""

    @abstractmethod
    def read(self, keys: Sequence[str]) -> tuple[list[Doc | None], float]:
        """The documents of these keys, and the store's time in seconds since 1970."""

    @abstractmethod
    def update(self, key: str, change: Change[T], *, ttl_s: float = DAY_S, strict: bool = False) -> T:
        """Change one document, alone; without another change it is forgotten after `ttl_s`.

        `strict` refuses the stand-in of one process that a store may otherwise use while it is down.
        """

    @abstractmethod
    def forget(self, key: str) -> None:
        """Delete a document."""

    @abstractmethod
    def close(self) -> None:
        """Give the connections back."""

    def take(self, key: str, rate: Rate, *, cost: float = 1, patience_s: float = 0) -> float:
        """Ask a limiter for `cost` calls; the seconds to wait. More than `patience_s` means: refused."""

        def change(doc: Doc | None, now: float) -> tuple[Doc | None, float]:
            arrival, wait = take(doc["at"] if doc else None, now, rate, cost, patience_s)
            return (None if arrival is None else {"at": arrival}), wait

        return self.update(key, change, ttl_s=rate.window_s + 10)

    def give_back(self, key: str, rate: Rate, *, cost: float = 1) -> None:
        """Return calls that were taken but never made."""

        def change(doc: Doc | None, _now: float) -> tuple[Doc | None, None]:
            return ({"at": doc["at"] - cost * rate.interval_s} if doc else None), None

        self.update(key, change, ttl_s=rate.window_s + 10)
