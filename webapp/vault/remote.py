"""What providers on the network share: two short tries, one vocabulary of failures, and a breaker."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from webapp.vault.envelope import KEY_BYTES, associated
from webapp.vault.errors import Corrupt, ProviderError, Unavailable
from webapp.vault.provider import APP, KeyContext, KeyDescription

T = TypeVar("T")

# Two tries of this length and the pause between them stay below three seconds.
TRY_S = 1.4
TRIES = 2
PAUSE_S = 0.1
FAILURES, REST_S = 5, 30.0

_log = logging.getLogger(__name__)


class Breaker:
    """Leaves a provider alone for a while after several failures in a row, so that nobody waits for it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def check(self) -> None:
        """Raise Unavailable while the provider is left alone."""
        if self._now() < self._until:
            raise Unavailable("The key provider did not answer several times; it is asked again soon.")

    def note(self, *, answered: bool) -> None:
        """Count what became of a call."""
        with self._lock:
            self._failures = 0 if answered else self._failures + 1
            if self._failures >= FAILURES:
                self._until, self._failures = self._now() + REST_S, 0


class Remote:
    """Runs the calls of one provider; `translate` gives what a client library raised one of our names."""

    def __init__(
        self,
        name: str,
        translate: Callable[[Exception], ProviderError | None],
        breaker: Breaker | None = None,
    ) -> None:
        self._name = name
        self._translate = translate
        self._breaker = breaker or Breaker()

    def call(self, action: str, work: Callable[[], T]) -> T:
        """Do some work at the provider; raises the provider errors and nothing else."""
        self._breaker.check()
        began = time.monotonic()
        for number in range(1, TRIES + 1):
            try:
                result = self._attempt(work)
            except Unavailable as error:
                self._breaker.note(answered=False)
                _log.warning("%s: %s failed: %s", self._name, action, error)
                if number == TRIES:
                    raise
                time.sleep(random.uniform(PAUSE_S / 2, PAUSE_S))  # noqa: S311 - jitter
            except ProviderError as error:
                self._breaker.note(answered=True)
                _log.warning("%s: %s was refused: %s", self._name, action, error)
                raise
            else:
                self._breaker.note(answered=True)
                _log.debug("%s: %s took %.1f ms", self._name, action, (time.monotonic() - began) * 1000)
                return result
        raise AssertionError

    def _attempt(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except ProviderError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            translated = self._translate(error)
            raise translated or Corrupt("The key provider answered something else than asked.") from error
        except Exception as error:
            translated = self._translate(error)
            if translated is None:
                raise
            raise translated from error


def described(kind: str, identity: str, uri: str) -> KeyDescription:
    """Describe a key that never leaves its provider: its fingerprint names the place, not the content."""
    mark = hashlib.sha256(f"{kind}\0{identity}".encode()).digest()[:8].hex()
    return KeyDescription(id=f"{kind}-{mark}", kind=kind, uri=uri, fingerprint=mark)


def bound(context: KeyContext) -> bytes:
    """What a wrapped data key is tied to, as bytes."""
    return associated("pb/dek/1", APP, context.dek_id, context.scope_kind)


def whole(dek: bytes) -> bytes:
    """Return a data key of the right length; raises Corrupt for any other."""
    if len(dek) != KEY_BYTES:
        raise Corrupt(f"The key provider gave back {len(dek)} bytes instead of {KEY_BYTES}.")
    return dek
