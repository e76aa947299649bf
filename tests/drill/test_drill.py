"""The drill: every failure, on copies of a route's services that exist for its time only."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select

from adapters.kit import SystemClock
from webapp.drill.run import Drill, _one
from webapp.drill.scenarios import SCENARIOS
from webapp.log.tables import calls
from webapp.models.service import Service
from webapp.registry import routes, services
from webapp.registry.errors import Conflict, NotFound
from webapp.sandbox.knobs import FAILURES

pytestmark = pytest.mark.slow  # on a database of its own, whatever the application has

MAIL = {"api_key": "SG.of-the-real-account", "from_email": "no-reply@example.com"}
SMTP = {"host": "mail.example.com", "port": 587, "from_address": "no-reply@example.com"}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def sample(runtime):
    """The sample route: two mail services, the second of a vendor that the sandbox cannot play."""

    def make(*, enabled=True, contract="EMAIL_SERVICE"):
        members = []
        with runtime.sessions() as session:
            for name, kind, values in (
                ("Main", "EMAIL_PROVIDER_SENDGRID", MAIL),
                ("Spare", "EMAIL_PROVIDER_SMTP", SMTP),
            ):
                service = services.create(
                    session, runtime, name=name, service_type=kind, configurations=values, actor="test",
                    origin="cli", is_enabled=enabled,
                )  # fmt: skip
                members.append(service.service_id)
            values = {"name": "EMAIL_PROVIDER_PRIMARY", "contract": contract, "members": members}
            routes.create(session, runtime, values, actor="test")
            session.commit()
        return "EMAIL_PROVIDER_PRIMARY"

    return make


def test_every_scenario_is_green_on_the_sample_route(runtime, sample, session, caplog):
    drill = Drill.of(runtime, sample())
    before = [session.scalar(select(func.count()).select_from(table)) for table in (calls, Service)]

    scores = {score.key: score for score in drill.scores()}

    assert {
        key: [str(complaint) for complaint in score.complaints]
        for key, score in scores.items()
        if not score.ok
    } == {}
    assert list(scores) == [scenario.key for scenario in SCENARIOS]
    assert sum(score.duplicates for score in scores.values()) == 0
    assert {key for key, score in scores.items() if score.outcome == "unknown"} == {
        "server_error",
        "hang",
        "drop",
        "garbage",
    }
    assert {key for key, score in scores.items() if score.breaker != "open"} == {
        "refused_key",
        "rate_limited",
        "slow",
    }
    assert [role.stand_in for role in drill.roles] == [False, True]
    # Nothing of it is in the real installation.
    assert [session.scalar(select(func.count()).select_from(table)) for table in (calls, Service)] == before
    assert sum(score.calls for score in scores.values()) > 50
    assert "breaker" not in caplog.text


def test_a_route_without_a_usable_service_cannot_be_drilled(runtime, sample):
    with pytest.raises(Conflict) as caught:
        Drill.of(runtime, sample(enabled=False))

    assert caught.value.code == "NOTHING_TO_DRILL"
    with pytest.raises(NotFound):
        Drill.of(runtime, "NO_SUCH_ROUTE")


def test_one_drill_runs_at_a_time(runtime, sample):
    drill = Drill.of(runtime, sample())

    with _one, pytest.raises(Conflict) as caught:
        next(drill.scores())

    assert caught.value.code == "DRILL_RUNNING"


def test_a_drill_that_is_left_early_leaves_nothing_behind(runtime, sample):
    scores = Drill.of(runtime, sample()).scores()
    next(scores)
    scores.close()

    assert not _one.locked()


def test_the_sandbox_knows_every_failure_of_a_scenario():
    assert {scenario.knobs.get("failure", "none") for scenario in SCENARIOS} <= set(FAILURES)


def test_the_command_prints_the_scorecard(app, sample):
    name = sample()

    done = app.test_cli_runner().invoke(args=["route", "drill", name, "--json"])

    assert done.exit_code == 0, done.output
    scores = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [score["ok"] for score in scores] == [True] * len(SCENARIOS)
    assert "drill@example.com" not in done.output
