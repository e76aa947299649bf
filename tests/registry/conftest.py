"""A service of the generic adapter and one of SendGrid, made without Flask."""

from __future__ import annotations

import pytest

from webapp.registry import services

ACTOR = "lin@example.com"


@pytest.fixture
def add(session, runtime):
    """Make a SendGrid service; `settings` go over those that are enough."""

    def make(name="Mail", settings=None, **fields):
        service = services.create(
            session,
            runtime,
            name=name,
            service_type="EMAIL_PROVIDER_SENDGRID",
            configurations={
                "api_key": "SG.first-secret-value",
                "from_email": "a@example.com",
                **(settings or {}),
            },
            actor=ACTOR,
            origin="ui",
            **fields,
        )
        session.commit()
        return service

    return make


@pytest.fixture
def service(add):
    return add()
