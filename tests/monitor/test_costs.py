"""Checks that cost something at the vendor run only where the settings of the service allow it."""

from __future__ import annotations

import pytest

from adapters.email.sendgrid import SendGrid
from webapp.models.health import ServiceHealth
from webapp.registry import services, testing


@pytest.mark.parametrize(
    ("cost", "allowed", "asks"),
    [
        ("free", "free", True), ("quota", "free", False), ("quota", "quota", True), ("quota", "money", True),
        ("money", "free", False), ("money", "quota", False), ("money", "money", True),
    ],
)  # fmt: skip
def test_a_check_runs_only_where_its_cost_is_allowed(monitor, vendors, add, monkeypatch, cost, allowed, asks):
    monkeypatch.setattr(SendGrid, "check_cost", cost)
    vendor = vendors()
    service_id = add("Mail", vendor.url, health_policy={"allowed_cost": allowed})
    monitor.round(1)

    assert bool(vendor.requests) is asks
    with monitor.runtime.sessions() as session:
        health = session.get(ServiceHealth, service_id)
        stage = health.detail["stages"][-1]
        assert (health.state, stage["status"]) == ("healthy", "ok" if asks else "skipped")
        assert health.detail["verdict"] == ("verified" if asks else "unverifiable")


@pytest.mark.parametrize(
    ("cost", "allowed", "asks"),
    [("quota", "free", True), ("money", "quota", False), ("money", "money", True)],
)
def test_a_test_by_hand_may_use_quota_but_no_money(runtime, vendors, add, monkeypatch, cost, allowed, asks):
    monkeypatch.setattr(SendGrid, "check_cost", cost)
    vendor = vendors()
    service_id = add("Mail", vendor.url, health_policy={"allowed_cost": allowed})
    with runtime.sessions() as session:
        service = services.find(session, service_id)
    testing.run(runtime, service, None, "tests")

    assert bool(vendor.requests) is asks
