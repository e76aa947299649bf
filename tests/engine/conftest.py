"""Vendors on loopback, services that point at them, and a clock that really runs."""

from __future__ import annotations

import pytest

from adapters.kit import SystemClock
from tests.engine import story
from tests.engine.story import API_KEY
from tests.engine.vendor import Vendor
from webapp.registry import routes, services

MAIL = {"to": ["lin@example.com"], "subject": "Welcome!", "text": "Hello"}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def vendor():
    """Makes vendors and closes them."""
    made = []

    def make(does=None):
        made.append(Vendor(does))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def service(runtime):
    """Makes enabled SendGrid services."""
    count = iter(range(1, 1000))

    def make(url, *, enabled=True, **fields):
        with runtime.sessions() as session:
            made = services.create(
                session,
                runtime,
                name=f"Mail {next(count)}",
                service_type="EMAIL_PROVIDER_SENDGRID",
                configurations={"api_key": API_KEY, "from_email": "no-reply@example.com", "base_url": url},
                actor="test",
                origin="cli",
                is_enabled=enabled,
                **fields,
            )
            session.commit()
            return made.service_id

    return make


@pytest.fixture
def route(runtime):
    """Makes routes of the mail contract."""

    def make(name, *members):
        with runtime.sessions() as session:
            values = {"name": name, "contract": "EMAIL_SERVICE", "members": list(members)}
            routes.create(session, runtime, values, actor="test")
            session.commit()

    return make


@pytest.fixture
def generic(runtime):
    """Makes enabled HTTP services, whose requests say themselves how safely they can be repeated."""
    count = iter(range(1, 1000))

    def make(url, **fields):
        with runtime.sessions() as session:
            made = services.create(
                session,
                runtime,
                name=f"HTTP {next(count)}",
                service_type="HTTP_PROVIDER_GENERIC",
                configurations={"base_url": url},
                actor="test",
                origin="cli",
                is_enabled=True,
                **fields,
            )
            session.commit()
            return made.service_id

    return make


@pytest.fixture
def http(runtime):
    """Makes enabled HTTP services with a secret; one try and one second each unless said otherwise."""
    count = iter(range(1, 1000))

    def make(url, **fields):
        with runtime.sessions() as session:
            made = services.create(
                session, runtime, name=f"HTTP {next(count)}", service_type="HTTP_PROVIDER_GENERIC",
                configurations={"base_url": url, "auth": "bearer", "secret": story.SECRET}, actor="test", origin="cli",
                is_enabled=True, **({"default_timeout_ms": story.CUT_MS, "retry_policy": {"max_attempts": 1}} | fields),
            )  # fmt: skip
            session.commit()
            return made.service_id

    return make


@pytest.fixture
def tell(runtime, caplog):
    def run(operation, params, *prefer, **how):
        told = story.Story(runtime, operation, params, list(prefer), **how)
        told.is_sound(caplog)
        return told

    return run
