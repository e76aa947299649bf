"""Configuration as a file through the API: the same rules, as answers a program can read."""

from __future__ import annotations

import pytest


@pytest.fixture
def document(api):
    api.add()
    return api("GET", "/configuration").text


def apply(api, document, **more):
    return api("POST", "/configuration", {"document": document, **more})


def test_the_export_is_yaml_without_secrets(api, document):
    answer = api("GET", "/configuration", headers={"Accept": "application/yaml"})

    assert (answer.mimetype, answer.text) == ("application/yaml", document)
    assert "SG.first" not in document
    assert api("GET", "/configuration", headers={"Accept": "text/html"}).status_code == 406


def test_nothing_is_stored_before_one_says_so(api, document):
    changed = document.replace("is_enabled: false", "is_enabled: true")
    seen = apply(api, changed).json
    assert (seen["applied"], seen["ok"]) == (False, True)
    assert seen["steps"][0]["changes"] == [
        {"pointer": "/is_enabled", "change": "changed", "old": False, "new": True}
    ]
    assert api("GET", "/services").json["items"][0]["is_enabled"] is False
    assert apply(api, changed, dry_run=False).json["errors"][0]["pointer"] == "/note"

    done = apply(api, changed, dry_run=False, plan=seen["plan"], note="Go")

    assert (done.status_code, done.json["applied"]) == (200, True)
    service = api("GET", "/services").json["items"][0]
    assert service["is_enabled"] is True
    newest = api("GET", f"/services/{service['service_id']}/revisions").json["items"][0]
    assert (newest["origin"], newest["note"], newest["actor"]) == ("import", "Go", "token:tests")
    assert apply(api, changed, dry_run=False, plan=seen["plan"], note="Go").json["code"] == "STALE_REVISION"


def test_conflicts_and_needed_secrets_are_told(api, document):
    service = api("GET", "/services").json["items"][0]
    api("PATCH", f"/services/{service['service_id']}", {"description": "By hand"})

    conflict = apply(api, document, dry_run=False, note="x")
    assert (conflict.status_code, conflict.json["code"]) == (409, "FILE_CONFLICT")
    assert apply(api, document).json["steps"][0]["others"]["actor"] == "token:tests"

    moved = document.replace("region: global", "region: eu")
    refused = apply(api, moved, dry_run=False, note="x")
    assert refused.status_code == 422
    assert [(e["pointer"], e["code"]) for e in refused.json["errors"]] == [
        ("/document/services/0/secrets/api_key", "reenter_secret")
    ]
    assert apply(api, moved).json["steps"][0]["needs"] == ["api_key"]
    given = {"Mail": {"api_key": "SG.for-europe-only"}}
    assert apply(api, moved, dry_run=False, note="x", secrets=given, overwrite=["Mail"]).status_code == 200


def test_a_file_that_cannot_be_read_is_named_by_its_line(api):
    refused = apply(api, "patchbay: 1\nservices: *all")

    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == "/document"
    assert "Line 2" in refused.json["errors"][0]["message"]


def test_reading_and_writing_need_their_scopes(allowed, document):
    assert allowed("services:write")("GET", "/configuration").status_code == 403
    assert apply(allowed("services:read"), document).status_code == 403


def test_without_keys_nothing_new_is_stored(api, document, runtime):
    for row in runtime.config.data_dir.iterdir():
        if row.is_file():
            row.unlink()
    runtime.vault.prepare()

    answer = apply(api, document, secrets={"Mail": {"api_key": "SG.another-value"}})

    assert (answer.status_code, answer.json["code"]) == (503, "KEY_UNAVAILABLE")
