"""A refused credential: within its grace the previous one is tried once, and the log says so."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Lock
from urllib.request import urlopen

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from tests.engine.conftest import API_KEY, MAIL
from tests.engine.vendor import answer
from webapp.engine.candidates import Candidate
from webapp.engine.opening import open_candidate
from webapp.engine.problems import PatchbayError
from webapp.models.credential import PREVIOUS, StagedSecret
from webapp.models.health import ServiceHealth
from webapp.models.incident import Incident
from webapp.monitor import incidents
from webapp.monitor.refused import heed
from webapp.registry import services, staging

NEW = "SG-next-key-77aaZZ0011"


@pytest.fixture
def rotated(runtime):
    def rotate(service_id, grace=timedelta(hours=24)):
        with runtime.sessions() as session:
            service = services.find(session, service_id)
            staging.stage_next(session, runtime, service, "api_key", NEW, actor="test")
            staging.promote(session, runtime, service, "api_key", actor="test", origin="cli", grace=grace)
            session.commit()
        return service_id

    return rotate


def keys(vendor):
    lines = [line for request in vendor.requests for line in request.decode().splitlines()]
    return [line.split()[-1] for line in lines if line.lower().startswith("authorization:")]


def attempts(runtime, result_or_error):
    return runtime.log.call(result_or_error.call_id).attempts


class OnlyThe:
    """Accepts one key and refuses every other."""

    def __init__(self, key):
        self.key = key.encode()

    def __call__(self, request):
        good = self.key in request
        return answer(202, X_Message_Id="m-1") if good else answer(401, {"errors": [{"message": "bad key"}]})


def test_the_previous_key_carries_the_call_and_the_log_says_so(runtime, vendor, service, rotated):
    slow = vendor(OnlyThe(API_KEY))
    service_id = rotated(service(slow.url))

    result = runtime.hub.call("email.send", MAIL, prefer=service_id)

    assert keys(slow) == [NEW, API_KEY]
    first, second = attempts(runtime, result)
    assert (first.code, first.next) == ("VENDOR_AUTH_REJECTED", "retry")
    assert second.is_success
    assert "previous one was tried" in second.error_message
    with runtime.sessions() as session:
        assert session.get(StagedSecret, (service_id, "api_key", PREVIOUS)).used_at is not None


def test_it_is_tried_once_only(runtime, vendor, service, rotated):
    strict = vendor(OnlyThe("nobody has this key"))
    service_id = rotated(service(strict.url))

    with pytest.raises(PatchbayError) as problem:
        runtime.hub.call("email.send", MAIL, prefer=service_id)

    assert problem.value.code == "VENDOR_AUTH_REJECTED"
    assert keys(strict) == [NEW, API_KEY]


def test_without_a_previous_key_nothing_is_repeated(runtime, vendor, service, rotated):
    strict = vendor(OnlyThe(API_KEY))
    service_id = rotated(service(strict.url), grace=timedelta())

    with pytest.raises(PatchbayError):
        runtime.hub.call("email.send", MAIL, prefer=service_id)

    assert keys(strict) == [NEW]


@pytest.mark.parametrize("status", [403, 429, 500])
def test_only_a_refused_credential_brings_the_previous_one_in(runtime, vendor, service, rotated, status):
    other = vendor(answer(status, {"errors": []}))
    service_id = rotated(service(other.url, retry_policy={"max_attempts": 1, "base_ms": 10, "max_ms": 10}))

    with pytest.raises(PatchbayError):
        runtime.hub.call("email.send", MAIL, prefer=service_id)

    assert API_KEY not in keys(other)


def test_neither_key_is_in_the_log(runtime, vendor, service, rotated):
    echo = vendor(lambda request: answer(401, {"errors": [{"message": request.decode("latin-1")}]}))
    service_id = rotated(service(echo.url))

    with pytest.raises(PatchbayError) as problem:
        runtime.hub.call("email.send", MAIL, prefer=service_id)

    seen = str(problem.value.to_problem())
    for attempt in attempts(runtime, problem.value):
        seen += str(attempt.to_dict()) + str(runtime.log.bodies(attempt.log_id).to_dict())
    assert API_KEY not in seen
    assert NEW not in seen


@pytest.fixture
def renewable(runtime):
    """Credentials that are renewed at a token endpoint when they are refused: by one of all that ask at once."""

    def make(service_id, tokens):
        opened = open_candidate(runtime, Candidate("", service_id))
        lock, fresh = Lock(), []

        def renew():
            with lock:
                if not fresh:
                    with urlopen(tokens.url, b"grant_type=refresh_token") as reply:
                        key = SecretStr(json.load(reply)["access_token"])
                    fresh.append(replace(opened, config=opened.config.model_copy(update={"api_key": key})))
                return fresh[0]

        kept = runtime.snapshots.kept[service_id]
        runtime.snapshots.kept[service_id] = replace(kept, opened=replace(opened, renew=renew))
        return service_id

    return make


def test_a_token_that_ran_out_is_renewed_once_by_all_threads_together(runtime, vendor, service, renewable):
    api, tokens = vendor(OnlyThe(NEW)), vendor(answer(200, {"access_token": NEW}))
    service_id = renewable(service(api.url), tokens)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: runtime.hub.call("email.send", MAIL, prefer=service_id), range(4)))

    assert [result.outcome for result in results] == ["succeeded"] * 4
    assert len(tokens.requests) == 1
    assert sorted(keys(api)) == sorted([API_KEY, NEW] * 4)
    assert [row.code for row in attempts(runtime, results[0])] == ["VENDOR_AUTH_REJECTED", None]


@pytest.mark.parametrize("token", [answer(200, {"access_token": "no better"}), answer(500)])
def test_a_token_is_renewed_once_in_a_call(runtime, vendor, service, renewable, token):
    api, tokens = vendor(OnlyThe(NEW)), vendor(token)
    service_id = renewable(service(api.url), tokens)

    with pytest.raises(PatchbayError) as problem:
        runtime.hub.call("email.send", MAIL, prefer=service_id)

    assert problem.value.code == "VENDOR_AUTH_REJECTED"
    assert len(tokens.requests) == 1


def test_the_third_refusal_in_a_row_is_told_to_the_monitor(runtime, vendor, service):
    api = vendor([answer(401), answer(401), answer(202, X_Message_Id="m-1"), answer(401)])
    service_id = service(api.url)
    for _ in range(5):
        try:
            runtime.hub.call("email.send", MAIL, prefer=service_id)
        except PatchbayError:
            continue
    assert heed(runtime) == 0, "a success in between begins anew"

    with pytest.raises(PatchbayError):
        runtime.hub.call("email.send", MAIL, prefer=service_id)
    assert (heed(runtime), heed(runtime)) == (1, 0)

    with runtime.sessions() as session:
        health = session.get(ServiceHealth, service_id)
    assert (health.state, health.code) == ("reauth", "VENDOR_AUTH_REJECTED")
    incidents.follow(runtime)
    with runtime.sessions() as session:
        assert [one.state for one in session.scalars(select(Incident))] == ["reauth"]
