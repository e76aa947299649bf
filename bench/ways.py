"""The ways to make one call that are compared: ours, and what people write by hand."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import DateTime, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from adapters.kit import EgressPolicy
from webapp.config import Config
from webapp.db import make_engine, upgrade
from webapp.registry import services
from webapp.runtime import Runtime

TEXT = "Your order 4711 has left our warehouse and will be with you on Thursday. " * 9
MAIL = {"to": ["lin@example.com"], "subject": "Your order is on its way", "text": TEXT}
BODY = {
    "personalizations": [{"to": [{"email": "lin@example.com"}]}],
    "from": {"email": "no-reply@example.com"},
    "subject": MAIL["subject"],
    "content": [{"type": "text/plain", "value": TEXT}],
}
KEY = "SG.0123456789abcdef.0123456789abcdef"
PLACES = 8  # services of the hub, so that one bulkhead does not bound what is measured


class Ours:
    """`hub.call` with a durable record of every call."""

    name = "hub.call"

    def __init__(self, url, place: Path, database_url=None):
        database_url = database_url or f"sqlite:///{place / 'patchbay.sqlite3'}"
        engine = make_engine(database_url)
        upgrade(engine)
        engine.dispose()
        policy = EgressPolicy.parse("127.0.0.0/8")
        self.runtime = Runtime.create(Config(place, database_url, egress=policy, threads=64))
        self.runtime.vault.prepare()
        self._services = itertools.cycle(self._make(number, url) for number in range(PLACES))
        self._services = itertools.cycle([next(self._services) for _ in range(PLACES)])
        self._local = threading.local()

    def _make(self, number, url):
        with self.runtime.sessions() as session:
            made = services.create(
                session, self.runtime, name=f"Mail {number}", service_type="EMAIL_PROVIDER_SENDGRID",
                configurations={"api_key": KEY, "from_email": "no-reply@example.com", "base_url": url},
                actor="bench", origin="cli", is_enabled=True,
            )  # fmt: skip
            session.commit()
            return made.service_id

    def call(self):
        if not hasattr(self._local, "service"):
            self._local.service = next(self._services)
        self.runtime.hub.call("email.send", MAIL, prefer=self._local.service)

    def settle(self):
        """The work that our calls leave for later belongs to their cost."""
        while not self.runtime.recorder.flush():
            assert self.runtime.recorder.backlog().error is None

    def close(self):
        self.runtime.close()


class Pooled:
    """A `requests.Session` that is used again, without a look at the environment; nothing is recorded."""

    name = "requests.Session"

    def __init__(self, url, *_):
        self.url = f"{url}/v3/mail/send"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", HTTPAdapter(pool_maxsize=64))
        self.headers = {"Authorization": f"Bearer {KEY}"}

    def call(self):
        self.session.post(self.url, json=BODY, headers=self.headers, timeout=(3, 10)).raise_for_status()

    def settle(self):
        pass

    def close(self):
        self.session.close()


class Naive(Pooled):
    """`requests.post`, as in most code."""

    name = "requests.post"

    def call(self):
        requests.post(self.url, json=BODY, headers=self.headers, timeout=(3, 10)).raise_for_status()


class Base(DeclarativeBase):
    """The log of the stack made by hand."""


class Row(Base):
    __tablename__ = "hand_log"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime, index=True)
    url: Mapped[str] = mapped_column(String(200))
    status: Mapped[int] = mapped_column(Integer, index=True)
    request: Mapped[str] = mapped_column(Text)
    response: Mapped[str] = mapped_column(Text)


class ByHand(Pooled):
    """requests, tenacity, pybreaker, limits and one row per call through SQLAlchemy."""

    name = "by hand"
    breaks = True

    def __init__(self, url, place: Path, *_):
        import limits  # noqa: PLC0415 - only this way needs them
        import pybreaker  # noqa: PLC0415
        import tenacity  # noqa: PLC0415

        super().__init__(url)
        self.engine = make_engine(f"sqlite:///{place / f'{type(self).__name__}.sqlite3'}")
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        Base.metadata.create_all(self.engine)
        self.limiter = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())
        self.rate = limits.parse("100000/second")
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=30)
        self.guarded = self.breaker.call if self.breaks else lambda work: work()
        wait = tenacity.wait_random_exponential(0.2, 5)
        self.retrying = tenacity.Retrying(stop=tenacity.stop_after_attempt(3), wait=wait, reraise=True)

    def call(self):
        self.retrying(self._once)

    def _once(self):
        assert self.limiter.hit(self.rate, "sendgrid")
        answer = self.guarded(self._send)
        with Session(self.engine) as session:
            session.add(
                Row(
                    at=datetime.now(UTC).replace(tzinfo=None), url=self.url, status=answer.status_code,
                    request=json.dumps(BODY), response=answer.text,
                )
            )  # fmt: skip
            session.commit()

    def _send(self):
        answer = self.session.post(self.url, json=BODY, headers=self.headers, timeout=(3, 10))
        answer.raise_for_status()
        return answer

    def close(self):
        super().close()
        self.engine.dispose()


class ByHandUnbroken(ByHand):
    """The same without pybreaker, which holds its lock while a call runs."""

    name = "by hand, no breaker"
    breaks = False


WAYS = (Ours, Pooled, Naive, ByHand, ByHandUnbroken)
