"""The overview: what it says of traffic, in words and figures, and to whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.web.services import URL, add, words
from webapp.log import rollups
from webapp.log.rollups_tally import count

EMAIL = {"operation": "email.send", "contract": "EMAIL_SERVICE"}


@pytest.fixture
def happened(runtime, clock):
    """Counts calls as the log does: `ago`, how many, and what is special about them."""

    def make(ago, number=1, service_id="s-1", **more):
        at = clock.now() - ago
        row = {"kind": "attempt", "outcome": "succeeded", "code": None, "duration_ms": 120, "cost": None,
               "candidate_no": 1, "attempt_no": 1, "attempts": 1, "route": None, "service_id": service_id,
               "request_timestamp": at, "created_at": at, **EMAIL, **more}  # fmt: skip
        row["attempt_no"] = row["attempts"]
        with runtime.engine.begin() as connection:
            rollups.add(connection, count([row] * number, [row] * number))

    return make


def test_a_day_is_told_in_words_and_held_against_the_day_before(viewer_client, happened):
    happened(timedelta(hours=2), 190)
    happened(timedelta(hours=2), 10, outcome="failed", code="READ_TIMEOUT", duration_ms=900)
    happened(timedelta(hours=30), 100)

    page = words(viewer_client.get("/overview"))

    assert "200 calls in the last 24 hours; 95% succeeded, half took at most 123 ms." in page
    assert "100% more than before (100)" in page
    assert "5 points worse than before (100%)" in page
    assert "10 failed, 0 unknown" in page
    assert "The answer did not come in time READ_TIMEOUT 10 100%" in page


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [(0, 5, "none before"), (5, 5, "as many as before"), (10, 5, "50% fewer than before (10)")],
)
def test_the_amount_is_compared(viewer_client, happened, before, now, says):
    happened(timedelta(minutes=10), now)
    if before:
        happened(timedelta(minutes=100), before)

    assert says in words(viewer_client.get("/overview?range=1h"))


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (100, 300, "slower than before (103 ms)"),
        (300, 100, "faster than before (292 ms)"),
        (100, 103, "about as fast"),
    ],
)
def test_the_latency_is_compared(viewer_client, happened, before, now, says):
    happened(timedelta(minutes=10), duration_ms=now)
    happened(timedelta(minutes=100), duration_ms=before)

    assert says in words(viewer_client.get("/overview?range=1h"))


def test_four_hundred_days_have_nothing_to_be_compared_with(viewer_client, happened):
    happened(timedelta(days=300), 3)

    page = words(viewer_client.get("/overview?range=400d"))
    assert "3 calls in the last 400 days" in page
    assert "before:" not in page
    assert "than before" not in page


def test_traffic_is_split_by_service_contract_operation_and_route(viewer_client, runtime, happened):
    mail = add(runtime, "Mail")
    happened(timedelta(hours=1), 3, mail, route="signup", attempts=2, candidate_no=2, cost=35_000)

    page = viewer_client.get("/overview?range=6h")

    said = words(page)
    line = "3 100% 123 ms 123 ms 123 ms 3 3 0.105"
    for heading, name in (
        ("service", "Mail"), ("contract", "Email"), ("operation", "email.send"), ("route", "signup"),
    ):  # fmt: skip
        assert f"By {heading}" in said
        assert f"{name} {line}" in said
    for address in ("contract/EMAIL_SERVICE", "operation/email.send", "route/signup"):
        assert f"/overview/{address}?range=6h" in page.text
        assert "3 calls in the last 6 hours" in words(viewer_client.get(f"/overview/{address}?range=6h"))


def test_the_page_of_a_service_shows_its_own(viewer_client, runtime, happened):
    mail, other = add(runtime, "Mail"), add(runtime, "Other")
    happened(timedelta(days=3), 7, mail)
    happened(timedelta(days=3), 9, other)

    assert "7 calls in the last 7 days" in words(viewer_client.get(f"{URL}/{mail}?range=7d"))
    assert "No calls in the last 1 hour" in words(viewer_client.get(f"{URL}/{mail}?range=1h"))


def test_every_number_of_the_charts_is_in_a_table(viewer_client, happened):
    happened(timedelta(minutes=3), 2)
    happened(timedelta(minutes=3), 1, outcome="unknown", code="AMBIGUOUS_OUTCOME")

    page = viewer_client.get("/overview?range=1h")

    assert 'role="img" aria-label="Latency over time; at most 123 ms"' in page.text
    assert "Succeeded 2 Outcome unknown 1" in words(page)
    assert "123 ms 123 ms 123 ms" in words(page)


@pytest.mark.parametrize("range_", ["", "24H", "-1h", "100y", "<script>", "1h&range=7d"])
def test_a_range_that_is_none_shows_a_day(viewer_client, range_):
    assert "No calls in the last" in words(viewer_client.get(f"/overview?range={range_}"))


@pytest.mark.parametrize("path", ["contract/NOTHING", "route/x", "operation/a.b", "service/s-1", "all/x"])
def test_what_does_not_exist_has_no_page(viewer_client, path):
    assert viewer_client.get(f"/overview/{path}").status_code == 404


def test_a_contract_without_traffic_has_one(viewer_client):
    assert "No calls in the last 24 hours." in words(viewer_client.get("/overview/contract/SMS_SERVICE"))


def test_a_fragment_renews_the_figures_alone(viewer_client):
    page = viewer_client.get("/overview", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert 'id="overview"' in page.text
    assert "<html" not in page.text


def test_members_may_not_see_it(app, member):
    from tests.people import sign_in

    assert sign_in(app.test_client(), member).get("/overview").status_code == 403
