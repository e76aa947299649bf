"""`/metrics`: sound text, the same from every worker, and only for those who may read it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.web.services import add
from webapp import create_app
from webapp.log import rollups
from webapp.log.rollups_tally import Tally, count
from webapp.models.health import Lease, ServiceHealth
from webapp.models.incident import Incident
from webapp.runtime import Runtime
from webapp.web.exposition import counter, latencies, text_of
from webapp.web.prometheus import families

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9.e+-]+)')


def samples(text):
    """The samples of an exposition, and that each is sound: declared before, its name once."""
    declared, found = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in declared
            declared[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in declared else name
            assert declared[family] in {"counter", "gauge", "histogram"}
            key = name, frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            assert key not in found
            found[key] = float(value)
    assert text.endswith("\n")
    return found


def value(found, name, **labels):
    """The one sample with this name and at least these labels."""
    wanted = set(labels.items())
    (only,) = [number for (each, has), number in found.items() if each == name and wanted <= has]
    return only


@pytest.fixture
def scrape(client, token):
    """What Prometheus reads."""
    headers = token("health:read")

    def read():
        answer = client.get("/metrics", headers=headers)
        assert answer.status_code == 200
        assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
        return samples(answer.text)

    return read


def happened(runtime, service_id, **more):
    row = {"kind": "attempt", "outcome": "succeeded", "code": None, "duration_ms": 120, "cost": 35_000,
           "candidate_no": 1, "attempt_no": 1, "attempts": 1, "route": "mail", "service_id": service_id,
           "request_timestamp": runtime.clock.now(), "created_at": runtime.clock.now(),
           "operation": "email.send", "contract": "EMAIL_SERVICE", **more}  # fmt: skip
    with runtime.engine.begin() as connection:
        rollups.add(connection, count([row], [row]))


def test_calls_and_attempts_are_counted(scrape, runtime):
    mail = add(runtime, 'Mail "A"\\B')
    happened(runtime, mail)
    happened(
        runtime, mail, outcome="failed", code="READ_TIMEOUT", duration_ms=3_000, attempt_no=2, attempts=2
    )

    found = scrape()

    assert value(found, "patchbay_attempts_total", service_id=mail, outcome="succeeded") == 1
    assert value(found, "patchbay_attempts_total", service='Mail \\"A\\"\\\\B', outcome="failed") == 1
    assert value(found, "patchbay_attempt_errors_total", code="READ_TIMEOUT") == 1
    assert value(found, "patchbay_attempt_retries_total", service_id=mail) == 1
    assert value(found, "patchbay_attempt_cost_total", service_id=mail) == 0.07
    assert value(found, "patchbay_calls_total", operation="email.send", outcome="failed") == 1
    assert value(found, "patchbay_route_calls_total", route="mail", outcome="succeeded") == 1
    buckets = {"0.064": 0, "0.128": 1, "2.048": 1, "4.096": 2, "+Inf": 2}
    for le, number in buckets.items():
        assert value(found, "patchbay_attempt_duration_seconds_bucket", service_id=mail, le=le) == number
    assert value(found, "patchbay_attempt_duration_seconds_sum", service_id=mail) == 3.12
    assert value(found, "patchbay_attempt_duration_seconds_count", service_id=mail) == 2


def test_states_incidents_and_the_scheduler(scrape, runtime, clock, session):
    mail, other = add(runtime, "Mail", is_enabled=True), add(runtime, "Other")
    now = clock.now()
    session.add(
        ServiceHealth(service_id=mail, state="down", since=now, checked_at=now, latency_ms=80, marks="x")
    )
    session.add(Incident(subject=mail, service_name="Mail", state="down", opened_at=now, points=[]))
    session.add(Lease(name="monitor", holder="x", until=now + timedelta(seconds=20)))
    session.commit()

    found = scrape()

    assert value(found, "patchbay_service_state", service_id=mail, state="down") == 1
    assert value(found, "patchbay_service_state", service_id=mail, state="healthy") == 0
    assert value(found, "patchbay_service_state", service_id=other, state="disabled") == 1
    assert value(found, "patchbay_check_duration_seconds", service_id=mail) == 0.08
    assert value(found, "patchbay_check_timestamp_seconds", service_id=mail) == now.timestamp()
    assert value(found, "patchbay_incidents_open") == value(found, "patchbay_incidents_unacknowledged") == 1
    assert value(found, "patchbay_service_incident", service_id=other) == 0
    assert value(found, "patchbay_scheduler_up") == 1
    assert value(found, "patchbay_scheduler_lease_seconds") == 20
    assert value(found, "patchbay_breaker_state", service_id=mail, state="closed") == 1
    assert value(found, "patchbay_state_store_up") == 1
    assert value(found, "patchbay_journal_bytes") == 0


def test_nothing_is_well_while_nobody_checks(scrape):
    found = scrape()

    assert value(found, "patchbay_scheduler_up") == 0
    assert not [name for name, _ in found if name == "patchbay_scheduler_lease_seconds"]


def test_every_worker_answers_the_same(app, runtime, client, token):
    happened(runtime, add(runtime, "Mail"))
    other = Runtime.create(runtime.config, runtime.clock)
    try:
        headers = token("health:read")
        answers = [
            one.get("/metrics", headers=headers).text
            for one in (client, create_app(runtime=other).test_client())
        ]
    finally:
        other.close()

    assert answers[0] == answers[1]


def test_strangers_read_nothing(client, token):
    refused = client.get("/metrics")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "patchbay_" not in refused.text


@pytest.mark.parametrize(
    ("address", "status"), [("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("11.1.2.3", 401)]
)
def test_a_named_network_needs_no_token(runtime, address, status):
    runtime.config = replace(runtime.config, metrics_allow=("10.0.0.0/8",))
    client = create_app(runtime=runtime).test_client()

    assert client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == status


def test_buckets_grow_to_their_count():
    text = text_of(
        [latencies("x_seconds", "X.", [({"a": "b"}, Tally(latencies={0: 2, 80: 3}, duration_ms=5))])]
    )

    numbers = [number for (name, _), number in samples(text).items() if name == "x_seconds_bucket"]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 5


def test_odd_words_stay_inside_their_label():
    text = text_of([counter("x_total", "X.", [({"a": 'end"} 1\nx_total 9'}, 1)])])

    assert len(samples(text)) == 1


@pytest.mark.parametrize("name", ["prometheus-rules.yml", "grafana/patchbay.json", "monitoring.md"])
def test_the_samples_name_metrics_that_exist(app, runtime, name):
    happened(runtime, add(runtime, "Mail"), outcome="failed", code="READ_TIMEOUT")
    with app.test_request_context():
        told = {family.name for family in families()}
    text = (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")

    named = {re.sub(r"_(bucket|sum|count)$", "", word) for word in re.findall(r"patchbay_[a-z_]+", text)}
    assert named
    assert named <= told
    if name.endswith(".yml"):
        assert all(
            rule["expr"] and rule["annotations"]["summary"]
            for rule in yaml.safe_load(text)["groups"][0]["rules"]
        )
    if name.endswith(".json"):
        panels = json.loads(text)["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
