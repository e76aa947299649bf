"""The protection of a service as a page, and an operator's decision on it."""

from __future__ import annotations

import pytest

from tests.people import form_token
from tests.web.services import URL, add, form, words
from webapp.engine.breaker import Vote
from webapp.models.service import Service


@pytest.fixture
def mail(runtime):
    return add(runtime, quotas={"calls": {"day": 10}, "money": {"month": 5}, "prices": {"*": 1}})


def decide(client, service_id, **data):
    return client.post(f"{URL}/{service_id}/breaker", data={"csrf_token": form_token(client), **data})


def fail(runtime, service_id, times=5):
    for _ in range(times):
        runtime.gates.breakers.record(service_id, runtime.gates.breakers.acquire(service_id), Vote.FAILURE)


def test_the_page_of_a_service_shows_how_it_is_protected(viewer_client, mail):
    page = words(viewer_client.get(f"{URL}/{mail}"))

    assert "Protection" in page
    assert "Calls pass" in page
    assert "Calls today" in page
    assert "0 / 10" in page


def test_what_happened_and_why_is_told(viewer_client, runtime, mail):
    fail(runtime, mail)

    page = words(viewer_client.get(f"{URL}/{mail}/breaker"))

    assert "Left alone" in page
    assert "Failed five times in a row" in page
    assert "5 calls, 5 failed, 0 slow" in page
    assert "What to do" not in page, "a viewer decides nothing"


def test_an_operator_takes_a_service_out_of_use_and_lets_it_go_again(operator_client, mail):
    answer = decide(operator_client, mail, action="open", reason="Vendor maintenance", expires_in_s="3600")
    page = words(operator_client.get(answer.location))

    assert answer.status_code == 303
    assert "Mail is taken out of use." in page
    assert "Taken out of use" in page
    assert "Vendor maintenance" in page
    answer = decide(operator_client, mail, action="reset", reason="Over", expires_in_s="")
    assert "Calls pass" in words(operator_client.get(answer.location))


@pytest.mark.parametrize(
    "data",
    [
        {"action": "open", "reason": "", "expires_in_s": ""},
        {"action": "explode", "reason": "x", "expires_in_s": ""},
        {"action": "open", "reason": "x", "expires_in_s": "5"},
        {"action": "open", "reason": "x", "expires_in_s": "soon"},
        {},
    ],
)
def test_a_wrong_decision_is_shown_again_with_its_error(operator_client, runtime, mail, data):
    answer = decide(operator_client, mail, **data)

    assert answer.status_code == 422
    assert "problem" in words(answer)
    assert "Calls pass" in words(operator_client.get(f"{URL}/{mail}/breaker"))


def test_a_viewer_may_not_decide(viewer_client, mail):
    assert decide(viewer_client, mail, action="open", reason="x").status_code == 403


def test_no_such_service(operator_client):
    assert operator_client.get(f"{URL}/nobody/breaker").status_code == 404


def save(client, service_id, revision, **changes):
    data = {"csrf_token": form_token(client), **form(revision=revision, without=("api_key",), **changes)}
    return client.post(f"{URL}/{service_id}/edit", data=data)


def quotas_of(runtime, service_id):
    with runtime.sessions() as session:
        found = session.get(Service, service_id)
        return found.revision, found.quotas


def test_the_form_changes_common_quotas_and_leaves_the_others(admin_client, runtime):
    mail = add(runtime, quotas={"calls": {"hour": 7}, "time_zone": "Asia/Shanghai"})

    answer = save(admin_client, mail, 1, quota_day="100", quota_cost="20.5", price="0.01")

    assert answer.status_code in (200, 303)
    revision, quotas = quotas_of(runtime, mail)
    assert (quotas["calls"]["hour"], quotas["calls"]["day"], quotas["time_zone"]) == (7, 100, "Asia/Shanghai")
    assert (quotas["money"]["month"], quotas["prices"]) == (20.5, {"*": 0.01})
    page = admin_client.get(f"{URL}/{mail}/edit").get_data(as_text=True)
    assert 'value="20.5"' in page
    save(admin_client, mail, revision)
    assert quotas_of(runtime, mail)[1]["calls"]["hour"] == 7
    assert quotas_of(runtime, mail)[1]["calls"]["day"] is None


def test_empty_quota_fields_are_no_quotas(admin_client, runtime):
    mail = add(runtime)
    save(admin_client, mail, 1, name="Renamed")

    assert quotas_of(runtime, mail) == (2, None)


@pytest.mark.parametrize(
    ("field", "value"), [("quota_day", "0"), ("quota_day", "many"), ("quota_cost", "-1"), ("price", "-0.1")]
)
def test_a_wrong_quota_is_shown_at_its_field(admin_client, runtime, field, value):
    mail = add(runtime)

    answer = save(admin_client, mail, 1, **{field: value})

    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.get_data(as_text=True)
    assert quotas_of(runtime, mail) == (1, None)
