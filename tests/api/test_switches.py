"""Enable, disable, test."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from webapp.models.service import Service


def do(api, service, verb, body=None, **rest):
    return api("POST", f"/services/{service['service_id']}/{verb}", body, **rest)


def test_enabling_something_untested_warns(api, service):
    answer = do(api, service, "enable")

    assert answer.status_code == 200
    assert answer.json["is_enabled"] is True
    assert answer.json["warnings"] == ["untested"]
    assert answer.headers["ETag"] == '"2"'


def test_a_tested_service_is_enabled_without_a_warning(api, http_service):
    tested = do(api, http_service, "test-connection")
    answer = do(api, http_service, "enable")

    assert tested.json["verdict"] == "verified"
    assert answer.json["warnings"] == []
    assert answer.json["tested"]["revision"] == answer.json["revision"] == 2


def test_switching_twice_changes_nothing_more(api, service):
    assert do(api, service, "enable").json["revision"] == 2
    assert do(api, service, "enable").json["revision"] == 2
    assert do(api, service, "disable").json["is_enabled"] is False
    assert do(api, service, "disable").json["revision"] == 3


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_switching_honours_if_match_and_takes_no_members(api, service, verb):
    assert do(api, service, verb, headers={"If-Match": '"9"'}).status_code == 412
    assert do(api, service, verb, {"force": True}).status_code == 422
    assert api("POST", f"/services/none/{verb}").status_code == 404


def test_a_test_of_what_is_stored_is_remembered(api, http_service, peer):
    answer = do(api, http_service, "test-connection")
    service = api("GET", f"/services/{http_service['service_id']}").json

    assert answer.status_code == 200
    assert [stage["status"] for stage in answer.json["stages"]] == ["ok"] * len(answer.json["stages"])
    assert {"settings", "dns", "tcp"} <= {stage["name"] for stage in answer.json["stages"]}
    assert service["tested"]["verdict"] == "verified"
    assert service["tested"]["revision"] == 1
    assert ("/health", "Bearer right-token-value") in peer.seen


def test_a_wrong_key_is_told_with_a_remedy(api, http_service):
    body = {"configurations": {"secret": "wrong-token-value"}}
    answer = do(api, http_service, "test-connection", body)
    last = answer.json["stages"][-1]

    assert answer.json["verdict"] == "rejected"
    assert last["status"] == "failed"
    assert last["remedy"]
    assert "wrong-token" not in answer.get_data(as_text=True)


def test_a_test_of_unsaved_settings_is_not_remembered(api, http_service):
    do(api, http_service, "test-connection", {"configurations": {"health_path": "/other"}})

    assert api("GET", f"/services/{http_service['service_id']}").json["tested"] is None


def test_the_health_check_address_is_asked_too(api, http_service, peer):
    api("PATCH", f"/services/{http_service['service_id']}", {"health_check_endpoint": "/status"})
    answer = do(api, http_service, "test-connection")

    assert answer.json["verdict"] == "verified"
    assert peer.seen[-1] == ("/status", "Bearer right-token-value")


def test_credentials_do_not_go_to_a_health_check_address_elsewhere(api, http_service, peer):
    elsewhere = peer.address.replace("127.0.0.1", "localhost") + "/status"
    api("PATCH", f"/services/{http_service['service_id']}", {"health_check_endpoint": elsewhere})
    answer = do(api, http_service, "test-connection")

    assert peer.seen[-1] == ("/status", None)
    assert answer.json["stages"][-1]["status"] == "failed"


def test_a_closed_port_fails_at_its_stage(api):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"base_url": f"http://127.0.0.1:{port}"}
    service = api.add(service_name="Closed", service_type="HTTP_PROVIDER_GENERIC", configurations=settings)
    answer = do(api, service, "test-connection")

    assert answer.json["verdict"] == "failed"
    assert answer.json["stages"][-1]["name"] == "tcp"
    assert answer.json["stages"][-1]["code"] == "CONNECT_REFUSED"


def test_a_private_address_is_refused_without_telling_more(api, session):
    settings = {"base_url": "https://public.example"}
    service = api.add(service_name="Inside", service_type="HTTP_PROVIDER_GENERIC", configurations=settings)
    # Saving refuses such an address; this one came into the database by another way.
    stored = session.get(Service, service["service_id"])
    stored.configurations = {**stored.configurations, "base_url": "https://10.1.2.3"}
    session.commit()
    answer = do(api, service, "test-connection")

    assert answer.json["verdict"] == "failed"
    assert answer.json["stages"][-1]["code"] == "EGRESS_BLOCKED"


def test_a_test_sends_no_stored_secret_to_another_place(api, http_service, peer):
    answer = do(
        api, http_service, "test-connection", {"configurations": {"base_url": "https://evil.example"}}
    )

    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "reenter_secret"
    assert peer.seen == []


@pytest.mark.parametrize(
    "body", [{"configuration": {}}, {"configurations": []}, {"configurations": {"x": 1}}]
)
def test_a_wrong_body_is_refused(api, http_service, body):
    assert do(api, http_service, "test-connection", body).status_code == 422


def test_ten_tests_a_minute(api, http_service, clock):
    for _ in range(10):
        assert do(api, http_service, "test-connection").status_code == 200
    refused = do(api, http_service, "test-connection")
    clock.advance(timedelta(seconds=61).total_seconds())

    assert refused.status_code == 429
    assert refused.json["code"] == "RATE_LIMITED_LOCAL"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert do(api, http_service, "test-connection").status_code == 200


def test_sixty_tests_an_hour_of_one_service_whoever_asks(api, client, token, http_service, clock):
    def test(headers):
        address = f"/integrations/services/{http_service['service_id']}/test-connection"
        return client.post(address, headers=headers)

    for _ in range(6):
        headers = token()
        assert {test(headers).status_code for _ in range(10)} == {200}
        clock.advance(61)
    refused = test(token())
    clock.advance(int(refused.headers["Retry-After"]))

    assert refused.status_code == 429
    assert test(headers).status_code == 200
