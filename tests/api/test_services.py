"""Services through the HTTP door: what is stored, what comes back, what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from tests.api.conftest import SENDGRID
from tests.logfiles import rows_of
from webapp.models import AuditEntry, Base, Secret, Service, ServiceRevision


def pointers(answer):
    return {(error["pointer"], error["code"]) for error in answer.json["errors"]}


def change(api, service, **members):
    return api("PATCH", f"/services/{service['service_id']}", members)


def test_a_created_service_is_disabled_and_shows_no_secret(api):
    answer = api("POST", "/services", SENDGRID)

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/integrations/services/{answer.json['service_id']}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.json["is_enabled"] is False
    assert answer.json["contract"] == "EMAIL_SERVICE"
    assert answer.json["configurations"]["from_email"] == "no-reply@example.com"
    assert answer.json["secrets"]["api_key"]["hint"] == "…x9Qz"
    assert answer.json["secrets"]["api_key"]["set_by"] == "token:tests"
    assert answer.json["retry_policy"] == {"max_attempts": 3, "base_ms": 200, "max_ms": 5000}
    assert answer.json["tested"] is None
    assert answer.json["health"]["state"] == "disabled"
    assert "first-secret" not in answer.get_data(as_text=True)


def test_a_secret_is_in_no_column_of_the_database(api, service, runtime):
    content = "".join(str(rows_of(runtime.engine, table)) for table in Base.metadata.tables.values())

    assert "first-secret" not in content


def test_a_save_leaves_a_revision_and_an_audit_entry(api, service, session):
    revision = session.get(ServiceRevision, (service["service_id"], 1))
    entry = session.scalars(select(AuditEntry).where(AuditEntry.target == service["service_id"])).one()

    assert revision.origin == "api"
    assert revision.actor == "token:tests"
    assert revision.snapshot["service_name"] == "Mail"
    assert set(revision.secrets) == {"api_key"}
    assert entry.action == "service.create"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"service_name": None}, {("/service_name", "missing")}),
        ({"service_name": ""}, {("/service_name", "missing")}),
        ({"service_name": "x" * 121}, {("/service_name", "too_long")}),
        ({"service_name": "a\nb"}, {("/service_name", "invalid")}),
        ({"service_name": 7}, {("/service_name", "type")}),
        ({"service_type": "EMAIL_PROVIDER_NONE"}, {("/service_type", "choice")}),
        ({"service_type": 7}, {("/service_type", "type")}),
        ({"configurations": None}, {("/configurations", "missing")}),
        ({"configurations": []}, {("/configurations", "type")}),
        ({"colour": "red"}, {("/colour", "unknown")}),
        ({"revision": 4}, {("/revision", "read_only")}),
        ({"secrets": {}}, {("/secrets", "read_only")}),
        ({"actor": "root"}, {("/actor", "unknown")}),
        ({"mode": "form"}, {("/mode", "unknown")}),
        ({"is_enabled": "yes"}, {("/is_enabled", "type")}),
        ({"default_timeout_ms": 999}, {("/default_timeout_ms", "range")}),
        ({"default_timeout_ms": 120_001}, {("/default_timeout_ms", "range")}),
        ({"default_timeout_ms": "10000"}, {("/default_timeout_ms", "type")}),
        ({"default_timeout_ms": True}, {("/default_timeout_ms", "type")}),
        ({"retry_policy": {"max_attempts": 6}}, {("/retry_policy/max_attempts", "range")}),
        ({"retry_policy": {"max_attempts": 0}}, {("/retry_policy/max_attempts", "range")}),
        ({"retry_policy": {"tries": 2}}, {("/retry_policy/tries", "unknown")}),
        ({"retry_policy": {"base_ms": 500, "max_ms": 100}}, {("/retry_policy/max_ms", "range")}),
        ({"retry_policy": 3}, {("/retry_policy", "type")}),
        ({"rate_limit": {"per_second": 1}}, {("/rate_limit/burst", "missing")}),
        ({"rate_limit": {"per_second": 0, "burst": 1}}, {("/rate_limit/per_second", "range")}),
        ({"health_check_endpoint": "ftp://x"}, {("/health_check_endpoint", "invalid")}),
        ({"health_check_endpoint": "//evil.example"}, {("/health_check_endpoint", "invalid")}),
        ({"health_check_endpoint": "/a\r\nHost: x"}, {("/health_check_endpoint", "invalid")}),
        ({"health_interval_s": 9}, {("/health_interval_s", "range")}),
        ({"description": "x" * 2001}, {("/description", "too_long")}),
        ({"description": "a\x00b"}, {("/description", "invalid")}),
    ],
)
def test_a_wrong_member_is_named_and_nothing_is_saved(api, session, changes, expected):
    answer = api("POST", "/services", {**SENDGRID, **changes})

    assert answer.status_code == 422
    assert answer.json["code"] == "REQUEST_INVALID"
    assert expected <= pointers(answer)
    for row in (Service.service_id, ServiceRevision.number):
        assert session.scalars(select(row)).all() == []
    assert session.scalars(select(Secret.id).where(Secret.owner_type == "service")).all() == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"api_key": None}, "missing"),
        ({"api_key": ""}, "too_short"),
        ({"api_key": 12}, "type"),
        ({"api_key": {"$ref": "vault:kv/mail#key"}}, "bad_reference"),
        ({"api_key": {"$ref": "vault:patchbay/../sys#key"}}, "bad_reference"),
        ({"api_key": {"$ref": "env:PATH"}}, "bad_reference"),
        ({"api_key": {"$ref": "env:PATCHBAY_SECRET_KEY"}}, "bad_reference"),
        ({"api_key": {"$ref": "file:/etc/passwd"}}, "bad_reference"),
        ({"api_key": {"$ref": "file:../patchbay.key"}}, "bad_reference"),
        ({"api_key": {"$ref": 1}}, "bad_reference"),
        ({"api_key": {"$ref": "env:PATCHBAY_SECRET_A", "x": 1}}, "bad_reference"),
        ({"api_key": {"ref": "env:PATCHBAY_SECRET_A"}}, "type"),
        ({"api_key": "********"}, "mask"),
        ({"api_key": "…x9Qz"}, "mask"),
        ({"api_key": "x" * 8193}, "too_long"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(api, settings, expected):
    answer = api("POST", "/services", {**SENDGRID, "configurations": SENDGRID["configurations"] | settings})

    assert answer.status_code == 422
    assert pointers(answer) == {("/configurations/api_key", expected)}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"from_email": None}, ("/configurations/from_email", "missing")),
        ({"from_email": "nobody"}, ("/configurations/from_email", "invalid")),
        ({"from_email": "a@b.example\r\nBcc: x@y.example"}, ("/configurations/from_email", "invalid")),
        ({"region": "mars"}, ("/configurations/region", "choice")),
        ({"sandbox": "perhaps"}, ("/configurations/sandbox", "type")),
        ({"nonsense": 1}, ("/configurations/nonsense", "unknown")),
    ],
)
def test_a_wrong_setting_is_named(api, settings, expected):
    answer = api("POST", "/services", {**SENDGRID, "configurations": SENDGRID["configurations"] | settings})

    assert answer.status_code == 422
    assert expected in pointers(answer)


def test_all_flaws_come_at_once(api):
    wrong = {**SENDGRID, "default_timeout_ms": 1, "configurations": {"from_email": "nobody"}}

    found = pointers(api("POST", "/services", wrong))

    assert found == {
        ("/default_timeout_ms", "range"),
        ("/configurations/from_email", "invalid"),
        ("/configurations/api_key", "missing"),
    }


@pytest.mark.parametrize("name", ["Mail", "mail", " MAIL ", "Ｍail"])
def test_a_name_is_given_once(api, service, name):
    answer = api("POST", "/services", {**SENDGRID, "service_name": name})

    assert answer.status_code == 409
    assert answer.json["code"] == "NAME_TAKEN"
    assert pointers(answer) == {("/service_name", "taken")}


def test_reading_back(api, service):
    answer = api("GET", f"/services/{service['service_id']}")

    assert answer.status_code == 200
    assert answer.json == service


@pytest.mark.parametrize("service_id", ["nope", "0193", "%00", "a" * 36, "1" * 500, "../types"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_unknown_service_is_not_found(api, method, service_id):
    answer = api(method, f"/services/{service_id}", {} if method in {"PUT", "PATCH"} else None)

    assert answer.status_code in {404, 405}
    assert answer.mimetype == "application/problem+json"


def test_a_patch_keeps_what_it_does_not_name(api, service, runtime):
    answer = change(api, service, description="For receipts", configurations={"from_name": "Shop"})

    assert answer.status_code == 200
    assert answer.json["revision"] == 2
    assert answer.json["configurations"]["from_email"] == "no-reply@example.com"
    assert answer.json["configurations"]["from_name"] == "Shop"
    assert answer.json["secrets"]["api_key"] == service["secrets"]["api_key"]
    with runtime.sessions() as session:
        stored = session.get(Service, service["service_id"])
        assert runtime.vault.open(session, stored.secrets["api_key"]) == "SG.first-secret-value-x9Qz"


def test_a_patch_merges_objects_and_null_goes_back_to_the_default(api, service):
    change(api, service, retry_policy={"max_attempts": 5}, rate_limit={"per_second": 2, "burst": 4})
    answer = change(api, service, retry_policy={"base_ms": 100}, rate_limit=None)

    assert answer.json["retry_policy"] == {"max_attempts": 5, "base_ms": 100, "max_ms": 5000}
    assert answer.json["rate_limit"] is None


def test_a_string_replaces_a_secret_and_the_revision_before_keeps_the_old_one(api, service, runtime):
    answer = change(api, service, configurations={"api_key": "SG.second-secret-abcd"})

    assert answer.json["secrets"]["api_key"]["hint"] == "…abcd"
    with runtime.sessions() as session:
        old = session.get(ServiceRevision, (service["service_id"], 1)).secrets["api_key"]
        new = session.get(ServiceRevision, (service["service_id"], 2)).secrets["api_key"]
        assert runtime.vault.open(session, old) == "SG.first-secret-value-x9Qz"
        assert runtime.vault.open(session, new) == "SG.second-secret-abcd"


def test_a_required_secret_is_not_cleared(api, service):
    answer = change(api, service, configurations={"api_key": None})

    assert answer.status_code == 422
    assert pointers(answer) == {("/configurations/api_key", "missing")}


def test_null_clears_an_optional_secret(api, http_service):
    answer = change(api, http_service, configurations={"secret": None, "auth": "none"})

    assert answer.status_code == 200
    assert answer.json["secrets"]["secret"]["is_set"] is False


def test_a_put_replaces_settings_and_keeps_absent_secrets_and_the_switch(api, service):
    api("POST", f"/services/{service['service_id']}/enable")
    change(api, service, configurations={"from_name": "Shop"}, description="x")
    body = {**SENDGRID, "configurations": {"from_email": "other@example.com"}}
    answer = api("PUT", f"/services/{service['service_id']}", body)

    assert answer.status_code == 200
    assert answer.json["configurations"]["from_email"] == "other@example.com"
    assert "from_name" not in answer.json["configurations"]
    assert answer.json["description"] is None
    assert answer.json["secrets"]["api_key"]["is_set"] is True
    assert answer.json["is_enabled"] is True


def test_the_type_of_a_service_stays(api, service):
    answer = api(
        "PUT", f"/services/{service['service_id']}", {**SENDGRID, "service_type": "EMAIL_PROVIDER_SMTP"}
    )

    assert answer.status_code == 422
    assert pointers(answer) == {("/service_type", "read_only")}


@pytest.mark.parametrize("moved", [{"region": "eu"}, {"base_url": "https://evil.example"}])
def test_another_destination_demands_the_secrets_again(api, service, moved):
    refused = change(api, service, configurations=moved)
    accepted = change(api, service, configurations={**moved, "api_key": "SG.first-secret-value-x9Qz"})

    assert refused.status_code == 422
    assert pointers(refused) == {("/configurations/api_key", "reenter_secret")}
    assert accepted.status_code == 200


def test_a_put_that_drops_the_destination_demands_the_secrets_again(api):
    settings = SENDGRID["configurations"] | {"region": "eu"}
    service = api.add(configurations=settings)
    body = {**SENDGRID, "configurations": {"from_email": "no-reply@example.com"}}
    answer = api("PUT", f"/services/{service['service_id']}", body)

    assert answer.status_code == 422
    assert pointers(answer) == {("/configurations/api_key", "reenter_secret")}


def test_a_change_of_nothing_saves_nothing(api, service, session):
    answer = change(api, service, service_name="Mail", configurations={"from_email": "no-reply@example.com"})

    assert answer.status_code == 200
    assert answer.json["revision"] == 1
    assert session.scalar(select(func.count()).select_from(ServiceRevision)) == 1


def test_a_refused_change_leaves_everything_as_it_was(api, service):
    wrong = {"description": "new", "configurations": {"api_key": "SG.second-secret", "from_email": "nobody"}}
    answer = change(api, service, **wrong)

    assert answer.status_code == 422
    assert "second-secret" not in answer.get_data(as_text=True)
    assert api("GET", f"/services/{service['service_id']}").json["revision"] == 1


def test_a_stale_etag_is_refused(api, service):
    path = f"/services/{service['service_id']}"
    first = api("PATCH", path, {"description": "mine"}, headers={"If-Match": '"1"'})
    second = api("PATCH", path, {"description": "theirs"}, headers={"If-Match": '"1"'})
    deletion = api("DELETE", path, headers={"If-Match": '"1"'})

    assert first.status_code == 200
    assert second.status_code == deletion.status_code == 412
    assert second.json["code"] == "STALE_REVISION"
    assert api("GET", path).json["description"] == "mine"


@pytest.mark.parametrize("tag", ["*", '"1"', '"0", "1"'])
def test_a_fitting_etag_is_accepted(api, service, tag):
    path = f"/services/{service['service_id']}"

    assert api("PATCH", path, {"description": "x"}, headers={"If-Match": tag}).status_code == 200


def test_a_known_revision_is_not_sent_again(api, service):
    path = f"/services/{service['service_id']}"

    assert api("GET", path, headers={"If-None-Match": '"1"'}).status_code == 304
    assert api("GET", path, headers={"If-None-Match": '"0"'}).status_code == 200


def test_a_deleted_service_is_gone_and_its_name_is_free(api, service):
    path = f"/services/{service['service_id']}"

    assert api("DELETE", path).status_code == 204
    assert api("GET", path).status_code == 404
    assert api("DELETE", path).status_code == 404
    assert api("GET", "/services").json["items"] == []
    assert api.add()["service_id"] != service["service_id"]


def test_a_secret_that_cannot_be_read_is_a_state(api, service, runtime, session):
    secret = session.get(Secret, session.get(Service, service["service_id"]).secrets["api_key"])
    secret.ct = secret.ct[:-6] + "AAAAAA"
    session.commit()

    listed = api("GET", "/services").json["items"][0]
    enabled = api("POST", f"/services/{service['service_id']}/enable")
    described = change(api, service, description="still possible")
    renewed = change(api, service, configurations={"api_key": "SG.second-secret-abcd"})

    assert listed["secrets"]["api_key"]["needs_reentry"] is True
    assert enabled.json["code"] == "CREDENTIALS_UNREADABLE"
    assert described.status_code == 200
    assert renewed.json["secrets"]["api_key"]["needs_reentry"] is False


def test_the_list_is_in_the_order_of_names_and_goes_on_where_it_stopped(api):
    for name in ("delta", "Alpha", "charlie", "Bravo"):
        api.add(service_name=name)

    first = api("GET", "/services?limit=3").json
    api.add(service_name="aardvark")
    rest = api("GET", f"/services?limit=3&cursor={first['next_cursor']}").json

    assert [item["service_name"] for item in first["items"]] == ["Alpha", "Bravo", "charlie"]
    assert [item["service_name"] for item in rest["items"]] == ["delta"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("service_type=EMAIL_PROVIDER_SENDGRID", {"Mail", "On"}),
        ("service_type=SMS_PROVIDER_TWILIO", set()),
        ("contract=HTTP_SERVICE", {"Shop"}),
        ("is_enabled=true", {"On"}),
        ("is_enabled=false", {"Mail", "Shop"}),
        ("health=disabled", {"Mail", "Shop"}),
        ("health=unknown", {"On"}),
        ("health=down", set()),
        ("q=sho", {"Shop"}),
        ("q=%25", set()),
        ("q=mail&is_enabled=false", {"Mail"}),
    ],
)
def test_filters_hold_together(api, service, http_service, query, names):
    api.add(service_name="On", is_enabled=True)

    answer = api("GET", f"/services?{query}")

    assert {item["service_name"] for item in answer.json["items"]} == names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", ("/limit", "range")),
        ("limit=201", ("/limit", "range")),
        ("limit=ten", ("/limit", "type")),
        ("is_enabled=perhaps", ("/is_enabled", "type")),
        ("health=fine", ("/health", "choice")),
        ("servce_type=X", ("/servce_type", "unknown")),
        ("q=a&q=b", ("/q", "duplicate")),
        ("cursor=%F0%9F%90%B1", ("/cursor", "invalid")),
        ("cursor=WzEsMl0", ("/cursor", "invalid")),
        ("q=a%00", ("/q", "invalid")),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(api, query, expected):
    answer = api("GET", f"/services?{query}")

    assert answer.status_code == 422
    assert expected in pointers(answer)
