"""Types, routes, revisions, health and probes through the HTTP door."""

from __future__ import annotations

import pytest

from webapp.models import ServiceHealth


def test_the_catalogue_lists_every_adapter(api):
    items = api("GET", "/types").json["items"]

    assert {"EMAIL_PROVIDER_SENDGRID", "HTTP_PROVIDER_GENERIC"} <= {item["service_type"] for item in items}
    assert all(item["available"] is (item["reason"] is None) for item in items)


def test_a_type_tells_its_settings_and_operations(api):
    detail = api("GET", "/types/EMAIL_PROVIDER_SENDGRID").json

    assert detail["contract"] == "EMAIL_SERVICE"
    assert detail["settings"]["properties"]["api_key"]["writeOnly"] is True
    assert detail["settings"]["additionalProperties"] is False
    assert [operation["name"] for operation in detail["operations"]] == ["email.send"]
    assert "to" in detail["operations"][0]["input"]["properties"]


@pytest.mark.parametrize("name", ["NONE", "email_provider_sendgrid", "%00", "x" * 500])
def test_an_unknown_type_is_not_found(api, name):
    assert api("GET", f"/types/{name}").status_code == 404


def route(service, **changes):
    return {
        "name": "MAIL_PRIMARY",
        "contract": "EMAIL_SERVICE",
        "members": [service["service_id"]],
        **changes,
    }


def test_a_route_is_made_read_replaced_and_deleted(api, service):
    made = api("POST", "/routes", route(service))
    replaced = api(
        "PUT", "/routes/MAIL_PRIMARY", {"contract": "EMAIL_SERVICE", "members": [], "description": "empty"}
    )

    assert made.status_code == 201
    assert made.headers["Location"] == "/integrations/routes/MAIL_PRIMARY"
    assert made.json["members"] == [service["service_id"]]
    assert replaced.json["members"] == []
    assert [item["name"] for item in api("GET", "/routes").json["items"]] == ["MAIL_PRIMARY"]
    assert api("DELETE", "/routes/MAIL_PRIMARY").status_code == 204
    assert api("GET", "/routes/MAIL_PRIMARY").status_code == 404


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": None}, "/name"),
        ({"name": "lower"}, "/name"),
        ({"name": "A" * 81}, "/name"),
        ({"name": "EMAIL_SERVICE"}, "/name"),
        ({"name": "EMAIL_PROVIDER_SENDGRID"}, "/name"),
        ({"contract": "NO_SERVICE"}, "/contract"),
        ({"contract": "SMS_SERVICE"}, "/members/0"),
        ({"members": "all"}, "/members"),
        ({"members": ["nope"]}, "/members/0"),
        ({"members": [7]}, "/members/0"),
        ({"members": ["x"] * 21}, "/members"),
        ({"weight": 3}, "/weight"),
        ({"description": "x" * 2001}, "/description"),
    ],
)
def test_a_wrong_route_is_refused(api, service, changes, expected):
    answer = api("POST", "/routes", route(service, **changes))

    assert answer.status_code == 422
    assert expected in {error["pointer"] for error in answer.json["errors"]}
    assert api("GET", "/routes").json["items"] == []


def test_a_service_is_once_in_a_route_and_a_name_is_given_once(api, service):
    twice = api("POST", "/routes", route(service, members=[service["service_id"]] * 2))
    first, second = (api("POST", "/routes", route(service)) for _ in range(2))

    assert twice.json["errors"][0]["code"] == "duplicate"
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json["code"] == "NAME_TAKEN"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["NONE", "none", "%00"])
def test_an_unknown_route_is_not_found(api, method, name):
    body = {"contract": "EMAIL_SERVICE", "members": []} if method == "PUT" else None

    assert api(method, f"/routes/{name}", body).status_code == 404


def test_the_name_of_a_route_stays(api, service):
    api("POST", "/routes", route(service))

    assert api("PUT", "/routes/MAIL_PRIMARY", route(service, name="OTHER")).status_code == 422
    assert api("PUT", "/routes/MAIL_PRIMARY", route(service)).status_code == 200


def test_every_save_is_a_revision(api, service):
    path = f"/services/{service['service_id']}"
    for text in ("one", "two"):
        api("PATCH", path, {"description": text})
    first = api("GET", f"{path}/revisions?limit=2").json
    rest = api("GET", f"{path}/revisions?limit=2&cursor={first['next_cursor']}").json

    assert [item["number"] for item in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None
    assert api("GET", f"{path}/revisions/2").json["snapshot"]["description"] == "one"
    assert api("GET", f"{path}/revisions/2").json["secrets"] == ["api_key"]


@pytest.mark.parametrize("number", ["0", "9", "x", "-1", "1.0", "9" * 40])
def test_an_unknown_revision_is_not_found(api, service, number):
    assert api("GET", f"/services/{service['service_id']}/revisions/{number}").status_code == 404


def test_health_is_that_of_the_last_check_until_it_is_too_old(api, session, clock):
    service = api.add(is_enabled=True)
    now = clock.now()
    row = ServiceHealth(
        service_id=service["service_id"], state="healthy", since=now, checked_at=now, latency_ms=12
    )
    session.add(row)
    session.commit()

    fresh = api("GET", "/health").json["items"][0]
    clock.advance(121)
    stale = api("GET", "/health").json["items"][0]

    assert (fresh["state"], fresh["latency_ms"], fresh["service_name"]) == ("healthy", 12, "Mail")
    assert stale["state"] == "late"
    assert [item["service_name"] for item in api("GET", "/services?health=late").json["items"]] == ["Mail"]


def test_probes_are_open_and_say_yes(client):
    assert client.get("/healthz").json["status"] == "ok"
    assert client.get("/readyz").json == {
        "status": "ok",
        "checks": {"database": True, "migrated": True, "keys": True},
    }


def test_a_process_without_its_keys_is_alive_and_not_ready(app, runtime):
    for row in runtime.config.data_dir.iterdir():
        if row.is_file():
            row.chmod(0o600)
            row.unlink()
    runtime.vault.prepare()
    client = app.test_client()

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json["checks"]["keys"] is False


def test_without_keys_lists_work_and_secrets_are_refused(api, service, runtime):
    for row in runtime.config.data_dir.iterdir():
        if row.is_file():
            row.unlink()
    runtime.vault.prepare()

    listed = api("GET", "/services").json["items"][0]
    refused = api(
        "PATCH", f"/services/{service['service_id']}", {"configurations": {"api_key": "SG.second-secret"}}
    )
    enabled = api("POST", f"/services/{service['service_id']}/enable")

    assert listed["secrets"]["api_key"]["needs_reentry"] is True
    assert refused.status_code == enabled.status_code == 503
    assert refused.json["code"] == enabled.json["code"] == "KEY_UNAVAILABLE"


def test_the_deep_probe_tries_all_it_stands_on(client, runtime, clock):
    assert client.get("/healthz?deep").json["checks"] == {
        "process": True, "database": True, "keys": True, "counters": True, "journal": True,
    }  # fmt: skip
    assert set(client.get("/healthz").json["checks"]) == {"process"}
    for row in runtime.config.data_dir.iterdir():
        if row.is_file() and row.suffix != ".sqlite3":
            row.unlink()

    clock.advance(60)
    answer = client.get("/healthz?deep")

    assert (answer.status_code, answer.json["checks"]["keys"]) == (503, False)
    assert answer.headers["Cache-Control"] == "no-store"
