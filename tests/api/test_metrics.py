"""Metrics and histograms through the API: what is counted, over which time, of what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.ids import id_at
from webapp.log.batch import batch_of
from webapp.log.records import stamp
from webapp.log.writer import write


@pytest.fixture
def happened(runtime, clock):
    """Writes calls with one attempt each as the drain does: `ago`, how many, and what is special about them."""
    numbers = iter(range(1, 1_000))

    def make(ago, number=1, service_id="s-1", outcome="succeeded", code=None, took=100, **more):
        records = []
        at = clock.now() - ago
        for one in (next(numbers) for _ in range(number)):
            key = id_at(at) + one
            end = {"outcome": outcome, "code": code, "duration_ms": took}
            call = {
                "call_id": key,
                "created_at": stamp(at),
                "operation": "email.send",
                "contract": "EMAIL_SERVICE",
            }
            attempt = {"log_id": key, "call_id": key, "kind": "attempt", "attempt_no": 1, "candidate_no": 1,
                       "service_id": service_id, "request_timestamp": stamp(at), "sandbox": False}  # fmt: skip
            records.append({
                "open": call | {"outcome": "pending", "attempts": 0}, "begin": attempt | {"outcome": "pending"},
                "end": [key, end | {"response_timestamp": stamp(at), "is_success": outcome == "succeeded"}, None],
                "close": [key, end | {"finished_at": stamp(at), "attempts": 1, "candidate_no": 1, **more}],
            })  # fmt: skip
        write(runtime.engine, batch_of(records))

    return make


def sums(answer):
    assert answer.status_code == 200, answer.json
    return answer.json["total"]


def test_all_calls_of_a_day_and_of_the_day_before(api, happened):
    happened(timedelta(hours=2), 8, route="mail", cost=2_500_000)
    happened(timedelta(hours=3), 2, outcome="failed", code="READ_TIMEOUT", took=1_000)
    happened(timedelta(hours=27), 5)

    answer = api("GET", "/metrics")

    total = sums(answer)
    assert (total["total"], total["succeeded"], total["failed"], total["unknown"]) == (10, 8, 2, 0)
    assert total["success_rate"] == 0.8
    assert total["errors"] == {"READ_TIMEOUT": 2}
    assert total["cost"] == 20
    assert total["p50_ms"] == pytest.approx(100, rel=0.05)
    assert total["p99_ms"] == pytest.approx(1_000, rel=0.05)
    assert answer.json["previous"]["total"] == 5
    assert len(answer.json["steps"]) == 24
    assert [step["total"] for step in answer.json["steps"]][-4:] == [2, 8, 0, 0]


@pytest.mark.parametrize(
    ("subject", "total"),
    [("service_id=s-1", 3), ("service_id=s-2", 4), ("contract=EMAIL_SERVICE", 7), ("operation=email.send", 7),
     ("route=mail", 4), ("route=nothing", 0)],
)  # fmt: skip
def test_one_subject(api, happened, subject, total):
    happened(timedelta(minutes=5), 3)
    happened(timedelta(minutes=5), 4, service_id="s-2", route="mail")

    answer = api("GET", f"/metrics?range=1h&{subject}")

    assert sums(answer)["total"] == total
    assert answer.json["key"] == subject.partition("=")[2]


def test_a_service_by_its_address(api, service, happened):
    happened(timedelta(minutes=5), 3, service_id=service["service_id"])

    assert sums(api("GET", f"/services/{service['service_id']}/metrics?range=6h"))["total"] == 3
    assert api("GET", "/services/nothing/metrics").status_code == 404


@pytest.mark.parametrize(
    "wrong", ["range=2d", "range=", "service_id=a&route=b", "scope=all", "range=1h&range=7d"]
)
def test_what_makes_no_sense_is_refused(api, wrong):
    answer = api("GET", f"/metrics?{wrong}")

    assert answer.status_code == (200 if wrong == "range=" else 422)


@pytest.mark.parametrize("path", ["/metrics", "/logs/histogram"])
def test_they_need_the_scope_of_the_log(allowed, path):
    assert allowed("services:read")("GET", path).status_code == 403
    assert allowed("logs:read")("GET", path).status_code == 200


def test_a_histogram_counts_every_attempt_once(api, happened, clock):
    happened(timedelta(hours=2), 3)
    happened(timedelta(hours=1), 2, outcome="failed", code="READ_TIMEOUT")
    happened(timedelta(minutes=10), 1, outcome="unknown", code="AMBIGUOUS_OUTCOME")
    since = (clock.now() - timedelta(hours=3)).isoformat().replace("+00:00", "Z")

    for buckets in (1, 7, 60):
        found = api("GET", f"/logs/histogram?from={since}&buckets={buckets}").json
        assert len(found["bars"]) <= buckets
        assert sum(bar["succeeded"] for bar in found["bars"]) == 3
        assert sum(bar["failed"] for bar in found["bars"]) == 2
        assert sum(bar["unknown"] for bar in found["bars"]) == 1
        assert (found["count"], found["capped"], found["complete_from"]) == (6, False, None)
    assert api("GET", "/logs/histogram?outcome=failed").json["count"] == 2


@pytest.mark.parametrize(
    "wrong", ["buckets=0", "buckets=61", "buckets=x", "outcome=maybe", "limit=5", "from=x"]
)
def test_a_histogram_of_nonsense_is_refused(api, wrong):
    assert api("GET", f"/logs/histogram?{wrong}").status_code == 422


def test_a_histogram_of_nothing_is_empty(api):
    found = api("GET", "/logs/histogram").json

    assert found == {
        "start": None,
        "step_s": None,
        "bars": [],
        "count": 0,
        "capped": False,
        "complete_from": None,
    }
