"""People here, accounts at the certified provider, and a clock that stands still at this very moment.

The provider signs its tokens by the machine's own clock, so ours has to begin there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from adapters.kit import FixedClock
from tests.peers.oidc_provider import CLIENT_ID, CLIENT_SECRET, Person
from webapp import links
from webapp.links import sealed
from webapp.models.link import Link
from webapp.models.user import User
from webapp.registry import services

ORIGIN = "http://127.0.0.1:9"
BROWSER = "the secret of one browser"


@pytest.fixture
def clock():
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def user(runtime):
    """Makes end users."""

    def make(name="lin"):
        with runtime.sessions() as session:
            person = User(email=f"{name}@example.com", name=name, role="member")
            session.add(person)
            session.commit()
            return person.user_id

    return make


@pytest.fixture
def service(runtime, oidc_provider):
    """Makes services that speak to the provider."""
    count = iter(range(1, 1000))

    def make(**changes):
        values = {
            "issuer": oidc_provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scopes": "openid email offline_access calendar",
            "prompt": "consent",
            "api_base_url": oidc_provider.issuer,
        } | changes
        with runtime.sessions() as session:
            made = services.create(
                session,
                runtime,
                name=f"Accounts {next(count)}",
                service_type="OAUTH_PROVIDER_OIDC",
                configurations=values,
                actor="test",
                origin="cli",
                is_enabled=True,
            )
            session.commit()
        oidc_provider.register(address_of(made.service_id))
        return made.service_id

    return make


def address_of(service_id):
    """Where the provider sends people back to."""
    return f"{ORIGIN}/my/accounts/{service_id}/back"


@dataclass
class Journey:
    """One person on the way to the provider and back."""

    runtime: object
    user_id: str
    service_id: str
    browser: str = BROWSER

    def there(self, **how):
        return links.start(
            self.runtime, self.user_id, self.service_id, browser=self.browser,
            redirect_uri=address_of(self.service_id), target="/my", **how,
        )  # fmt: skip

    def back(self, answer, *, browser=None):
        return links.finish(
            self.runtime, self.user_id, self.service_id, browser=browser or self.browser, answer=answer
        )

    def whole(self, account="ann", **how):
        """Link an account of this name."""
        return self.back(Person(account).allow(self.there(**how)))


@pytest.fixture
def journey(runtime, user, service):
    """A person who may link an account."""
    return Journey(runtime, user(), service())


@pytest.fixture
def linked(journey):
    """A person who linked the account ann."""
    journey.link_id = journey.whole().link_id
    return journey


def row_of(runtime, link_id):
    with runtime.sessions() as session:
        return session.scalar(select(Link).where(Link.link_id == link_id))


def change(runtime, link_id, **values):
    """Make a link older, or otherwise what it is not."""
    with runtime.sessions() as session:
        link = session.get_one(Link, link_id)
        for name, value in values.items():
            setattr(link, name, value)
        session.commit()


def tokens_of(runtime, link_id):
    with runtime.sessions() as session:
        return sealed.get(session, runtime, link_id)
