"""The scheduled work on credentials: wiping what stood by, announcing what ends; by the leading process only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.models.credential import ExpiryReminder, StagedSecret
from webapp.monitor import credentials
from webapp.monitor.scheduler import Monitor
from webapp.registry import expiry, services, staging


@pytest.fixture
def service_id(runtime):
    with runtime.sessions() as session:
        service = services.create(
            session,
            runtime,
            name="Mail",
            service_type="EMAIL_PROVIDER_SENDGRID",
            configurations={"api_key": "SG.first-secret-value", "from_email": "a@example.com"},
            actor="test",
            origin="cli",
        )
        ends = runtime.clock.now() + timedelta(days=5)
        staging.stage_next(
            session, runtime, service, "api_key", "SG.next-secret-value", actor="test", expires_at=ends
        )
        staging.promote(
            session, runtime, service, "api_key", actor="test", origin="cli", grace=timedelta(hours=1)
        )
        session.commit()
        return service.service_id


def test_what_stood_by_is_wiped_when_its_time_is_over(runtime, service_id, clock):
    assert credentials.wipe(runtime) == 0
    clock.advance(3601)
    assert credentials.wipe(runtime) == 1

    with runtime.sessions() as session:
        assert session.query(StagedSecret).count() == 0


def test_what_ends_is_announced_once_and_without_its_value(runtime, service_id, caplog):
    assert credentials.announce(runtime) == 1
    assert credentials.announce(runtime) == 0

    with runtime.sessions() as session:
        assert session.query(ExpiryReminder).one().days == 7
        assert expiry.endings(session, runtime.clock.now())[0].field == "api_key"
    assert ":api_key at " in caplog.text
    assert "SG." not in caplog.text


def test_only_the_leading_process_does_it(runtime, service_id, clock):
    clock.advance(3601)
    monitor = Monitor(runtime)

    assert monitor.keep_credentials() == 0
    monitor.lead()
    assert monitor.keep_credentials() == 2
