"""The page of files: take along, look, decide, apply. Attacks 80 and 85 of the list as far as pages are concerned."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest

from tests.web.services import SECRET, add, stored, words
from webapp.registry import services

PASSPHRASE = "lantern quarry velvet moss"


@pytest.fixture
def mail(runtime):
    return add(runtime)


@pytest.fixture
def document(admin_client, mail):
    return admin_client.get("/settings/files/patchbay.yaml").text


def look(client, text, **more):
    return client.post("/settings/files/plan", data={"document": text, **more})


def apply(client, text, **more):
    plan = re.search(r'name="plan" value="(\w+)"', look(client, text).text)
    form = {"document": text, "plan": plan[1] if plan else "", "note": "Why not", **more}
    return client.post("/settings/files/apply", data=form, content_type="multipart/form-data")


def test_the_file_is_a_download_without_secrets(admin_client, document):
    answer = admin_client.get("/settings/files/patchbay.yaml")

    assert answer.headers["Content-Disposition"] == "attachment; filename=patchbay.yaml"
    assert answer.mimetype == "application/yaml"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "!keep" in document
    assert SECRET not in document


def test_a_file_is_looked_at_and_then_applied(admin_client, runtime, mail, document):
    text = document.replace("is_enabled: false", "is_enabled: true")
    sent = {"file": (io.BytesIO(text.encode()), "patchbay.yaml"), "document": ""}
    seen = admin_client.post("/settings/files/plan", data=sent)
    assert seen.status_code == 200
    assert "Enabled Changed Off On" in words(seen)
    assert not stored(runtime, mail).is_enabled
    carried = re.search(r'(?s)<textarea name="document"[^>]*>\n(.*?)</textarea>', seen.text)[1]
    assert unescape(carried) == text

    done = apply(admin_client, text.replace("\n", "\r\n"))

    assert done.status_code == 303, words(done)
    assert stored(runtime, mail).is_enabled
    assert "Why not" in admin_client.get(f"/settings/integrations/{mail}/history").text
    assert "Nothing would change" in words(look(admin_client, text))


def test_a_reason_is_asked_for(admin_client, document, mail, runtime):
    refused = apply(admin_client, document.replace("is_enabled: false", "is_enabled: true"), note=" ")

    assert refused.status_code == 422
    assert "Say why" in words(refused)
    assert not stored(runtime, mail).is_enabled


def test_what_changed_between_look_and_apply_is_looked_at_again(admin_client, document, mail, runtime):
    text = document.replace("is_enabled: false", "is_enabled: true")
    plan = re.search(r'name="plan" value="(\w+)"', look(admin_client, text).text)[1]
    with runtime.sessions() as session:
        service = services.find(session, mail)
        services.update(
            session, runtime, service, {"default_timeout_ms": 9000}, actor="ana@example.com", origin="ui"
        )
        session.commit()

    refused = admin_client.post("/settings/files/apply", data={"document": text, "plan": plan, "note": "x"})

    assert refused.status_code == 422
    assert "ana@example.com changed this" in words(refused)
    assert stored(runtime, mail).default_timeout_ms == 9000
    assert apply(admin_client, text, overwrite="Mail").status_code == 303
    assert stored(runtime, mail).default_timeout_ms == 10_000


def test_a_new_destination_asks_for_the_secret_and_never_shows_it(admin_client, document, mail, runtime):
    text = document.replace("region: global", "region: eu")
    seen = look(admin_client, text)
    assert 'name="secret-api_key/Mail"' in seen.text
    assert "Data region Changed Global" in words(seen)

    refused = apply(admin_client, text, **{"secret-api_key/Mail": "   "})
    assert refused.status_code == 422
    done = apply(admin_client, text, **{"secret-api_key/Mail": "SG.for-europe-only-x9Qz", "note": ""})
    assert done.status_code == 422
    assert "SG.for-europe" not in done.text
    assert apply(admin_client, text, **{"secret-api_key/Mail": "SG.for-europe-only-x9Qz"}).status_code == 303
    assert stored(runtime, mail).configurations["region"] == "eu"


@pytest.mark.parametrize(
    "text",
    ["", "patchbay: 1\nservices: *x", "patchbay: 1\nservices: [{service_name: <script>}]", "a" * 300_000],
)
def test_what_is_no_file_comes_back_with_the_reason(admin_client, text):
    refused = look(admin_client, text)

    assert refused.status_code == 422
    assert "There is a problem" in words(refused) or "problems" in words(refused)
    assert "<script>" not in refused.text


def test_a_file_that_is_not_utf8_is_refused(admin_client):
    sent = {"file": (io.BytesIO(b"patchbay: 1 \xff"), "x.yaml"), "document": ""}

    assert "not UTF-8" in words(admin_client.post("/settings/files/plan", data=sent))


def test_a_plain_secret_is_refused(admin_client, document):
    refused = look(admin_client, document.replace("!keep", "SG.in-plain-sight-x9Qz"))

    assert refused.status_code == 422
    assert "carries no secret as it is" in words(refused)


def test_sealed_secrets_need_their_passphrase_and_the_person(admin_client, mail, clock):
    form = {"passphrase": PASSPHRASE, "again": PASSPHRASE}
    sealed = admin_client.post("/settings/files/sealed", data=form)
    assert "!sealed" in sealed.text
    assert SECRET not in sealed.text
    assert admin_client.post("/settings/files/sealed", data=form | {"again": "x"}).status_code == 422
    assert (
        admin_client.post("/settings/files/sealed", data={"passphrase": "x", "again": "x"}).status_code == 422
    )

    assert "give the passphrase" in words(look(admin_client, sealed.text))
    assert "Nothing would change" in words(look(admin_client, sealed.text, **{"file-passphrase": PASSPHRASE}))

    clock.advance(11 * 60)
    assert "/confirm" in admin_client.post("/settings/files/sealed", data=form).location
    assert "/confirm" in apply(admin_client, sealed.text).location


@pytest.mark.parametrize("extra", ["is_admin", "secrets", "dry_run"])
def test_only_the_fields_of_the_form_are_taken(admin_client, document, extra):
    assert look(admin_client, document, **{extra: "1"}).status_code == 422
    assert apply(admin_client, document, **{extra: "1"}).status_code == 422


def test_files_are_for_administrators(operator_client):
    for path in ("/settings/files", "/settings/files/patchbay.yaml"):
        assert operator_client.get(path).status_code == 403
    for path in ("plan", "apply", "sealed"):
        assert operator_client.post(f"/settings/files/{path}").status_code == 403
