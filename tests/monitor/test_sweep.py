"""Scheduled checks of real services on loopback."""

from __future__ import annotations

import pytest

from tests.engine.vendor import Vendor, answer, closed_port
from webapp.models.health import ServiceHealth
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor import Monitor
from webapp.monitor.results import spread
from webapp.monitor.sweep import Sweep
from webapp.registry import services

GOOD = answer(200, {"scopes": ["mail.send"]})


@pytest.fixture
def vendor():
    one = Vendor(GOOD)
    yield one
    one.close()


@pytest.fixture
def service(runtime):
    def make(url, *, enabled=True):
        with runtime.sessions() as session:
            made = services.create(
                session, runtime, name=f"Mail {url} {enabled}", service_type="EMAIL_PROVIDER_SENDGRID", actor="test",
                origin="cli", is_enabled=enabled,
                configurations={"api_key": "SG-key-8fJ2kq0", "from_email": "a@example.com", "base_url": url},
            )  # fmt: skip
            session.commit()
            return made.service_id

    return make


def health(runtime, service_id):
    with runtime.sessions() as session:
        return session.get(ServiceHealth, service_id)


def test_a_check_is_written_down(runtime, vendor, service, clock):
    mail = service(vendor.url)

    assert Sweep(runtime).run() == 1

    row = health(runtime, mail)
    assert (row.state, row.code, row.checked_at, row.consecutive_failures) == (
        "healthy",
        None,
        clock.now(),
        0,
    )
    assert [stage["name"] for stage in row.detail["stages"]][:3] == ["settings", "dns", "tcp"]
    assert row.detail["verdict"] == "verified"


def test_only_what_is_enabled_and_due_is_checked(runtime, vendor, service, clock):
    service(vendor.url, enabled=False)
    service(vendor.url)
    sweep = Sweep(runtime)

    assert [sweep.run(), sweep.run()] == [1, 0]
    clock.advance(30)
    assert sweep.run() == 0
    clock.advance(30)
    assert sweep.run() == 1


def test_a_service_that_goes_and_comes_back(runtime, vendor, service, clock):
    mail = service(vendor.url)
    sweep = Sweep(runtime)
    seen = []
    for does in (GOOD, answer(500), answer(500), answer(500), GOOD, GOOD, answer(401), answer(401)):
        vendor.does = does
        sweep.run()
        seen.append(health(runtime, mail).state)
        clock.advance(60)

    assert seen == ["healthy", "pending", "pending", "down", "down", "healthy", "pending", "reauth"]
    assert health(runtime, mail).code == "VENDOR_AUTH_REJECTED"


def test_one_broken_service_does_not_stop_the_others(runtime, vendor, service):
    dead, alive = service(f"http://127.0.0.1:{closed_port()}"), service(vendor.url)
    with runtime.sessions() as session:
        session.get(Service, dead).service_type = "EMAIL_PROVIDER_GONE"
        session.commit()

    Sweep(runtime).run()

    assert (health(runtime, dead).state, health(runtime, dead).code) == ("pending", "ADAPTER_MISSING")
    assert health(runtime, alive).state == "healthy"


def test_checks_spread_within_their_interval(clock):
    shares = {spread(f"service-{number}", clock.now()) for number in range(50)}

    assert len(shares) > 25
    assert min(shares) >= 850
    assert max(shares) <= 950


def test_only_the_leader_works(runtime, vendor, service):
    service(vendor.url)
    leader, other = Monitor(runtime), Monitor(runtime)

    assert (leader.lead(), other.lead()) == (True, False)
    assert (other.sweep(), other.close_orphans(), other.prune()) == (0, 0, (0, 0))
    assert (leader.sweep(), leader.close_orphans(), leader.prune()) == (1, 0, (0, 0))
    leader.stop()


def test_the_clockwork_starts_and_hands_over(runtime):
    first, second = Monitor(runtime), Monitor(runtime)
    first.start()
    first.lead()

    first.stop(wait=True)

    assert not first.lead()
    assert second.lead()
    second.stop()
