"""Signs of life: each process writes down which keys it can use, so that no key is promoted too early."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.models.keystore import KeyProcess
from webapp.models.secret import KeystoreMeta
from webapp.vault.errors import ProviderError
from webapp.vault.keyset import Keyset

if TYPE_CHECKING:
    from webapp.runtime import Runtime

BEAT_S = 15
# Whoever missed several beats is taken for dead, and asks for its keys when it comes back.
ALIVE = timedelta(seconds=60)
FORGOTTEN = timedelta(days=1)
EPOCH = "epoch"


class Heartbeat:
    """The heartbeat of one process; make it after a fork."""

    def __init__(self, runtime: Runtime, kind: str = "web") -> None:
        self._runtime = runtime
        self._kind = kind
        self._epoch: str | None = None
        self._host = socket.gethostname()[:80]
        self.id = f"{self._host}:{os.getpid()}:{secrets.token_hex(4)}"

    def beat(self) -> None:
        """Take up new keys, say which ones are usable, and follow when somebody asked to forget data keys."""
        vault, now = self._runtime.vault, self._runtime.clock.now()
        vault.refresh()
        fingerprints = usable(vault.keys)
        with self._runtime.sessions() as session:
            row = session.get(KeyProcess, self.id) or KeyProcess(id=self.id, kind=self._kind, started_at=now)
            row.host, row.pid, row.seen_at, row.fingerprints = self._host, os.getpid(), now, fingerprints
            session.add(row)
            session.execute(delete(KeyProcess).where(KeyProcess.seen_at < now - FORGOTTEN))
            epoch = epoch_of(session)
            session.commit()
        if epoch != self._epoch and self._epoch is not None:
            vault.forget()
        self._epoch = epoch

    def stop(self) -> None:
        """Say that this process ends, so that nobody waits for it."""
        with self._runtime.sessions() as session:
            session.execute(delete(KeyProcess).where(KeyProcess.id == self.id))
            session.commit()


def usable(keys: Keyset) -> list[str]:
    """The fingerprints of the keys whose providers answer."""
    return sorted(provider.describe().fingerprint for provider in keys if _answers(provider.health))


def _answers(health: object) -> bool:
    assert callable(health)
    try:
        health()
    except ProviderError:
        return False
    return True


def living(session: Session, now: datetime) -> list[KeyProcess]:
    """The processes that gave a sign of life lately."""
    query = select(KeyProcess).where(KeyProcess.seen_at >= now - ALIVE)
    return list(session.scalars(query.order_by(KeyProcess.host, KeyProcess.pid)))


def epoch_of(session: Session) -> str:
    """A number that grows when every process has to ask the key providers again."""
    fact = session.get(KeystoreMeta, EPOCH)
    return fact.value if fact else "0"


def next_epoch(session: Session) -> None:
    """Make every process forget its data keys at its next beat."""
    fact = session.get(KeystoreMeta, EPOCH) or KeystoreMeta(name=EPOCH, value="0")
    fact.value = str(int(fact.value) + 1)
    session.add(fact)
