"""A reference in the place of a secret, in the form of a service."""

from __future__ import annotations

import pytest

from tests.web.services import SECRET, SENDGRID, URL, form, stored, words
from webapp.models.secret import Secret
from webapp.registry import services

NEW = f"{URL}/new/{SENDGRID}"
REFERENCE = "env:PATCHBAY_SECRET_MAIL"


def row(runtime, service_id):
    with runtime.sessions() as session:
        return session.get(Secret, services.find(session, service_id).secrets["api_key"])


def added(client, **changes):
    answer = client.post(NEW, data=filled(**changes))
    assert answer.status_code == 303, words(answer)
    return answer.headers["Location"].rpartition("/")[2]


def filled(secret="", reference=REFERENCE, **changes):
    return form(api_key=secret, **changes) | {"ref-api_key": reference}


def test_a_reference_is_stored_and_shown_in_the_place_of_a_secret(admin_client, runtime):
    service_id = added(admin_client)

    assert (row(runtime, service_id).kind, row(runtime, service_id).ref_uri) == ("ref", REFERENCE)
    assert REFERENCE in admin_client.get(f"{URL}/{service_id}/edit").text


def test_a_reference_that_is_left_alone_is_kept(admin_client, runtime):
    service_id = added(admin_client)
    before, revision = row(runtime, service_id).id, stored(runtime, service_id).revision
    data = filled(reference="", description="x", revision=revision)
    answer = admin_client.post(f"{URL}/{service_id}/edit", data=data)

    assert answer.status_code == 303
    assert row(runtime, service_id).id == before


def test_a_secret_takes_the_place_of_a_reference_and_the_other_way_round(admin_client, runtime):
    service_id = added(admin_client)
    for given, kind in (({"secret": SECRET, "reference": ""}, "value"), ({}, "ref")):
        data = filled(revision=stored(runtime, service_id).revision, **given)
        answer = admin_client.post(f"{URL}/{service_id}/edit", data=data)
        assert answer.status_code == 303
        assert row(runtime, service_id).kind == kind


@pytest.mark.parametrize(
    ("given", "finding"),
    [
        ({"reference": "env:PATH"}, "not a reference of the kind env"),
        ({"reference": "ftp:x"}, "A reference begins with one of"),
        ({"reference": "file:../etc/passwd"}, "not a reference of the kind file"),
        ({"reference": "vault:kv/other#key"}, "does not let references reach this"),
        ({"secret": SECRET}, "not both"),
    ],
)
def test_a_bad_reference_is_explained_at_its_secret_and_nothing_is_saved(
    admin_client, runtime, given, finding
):
    answer = admin_client.post(NEW, data=filled(**given))

    assert answer.status_code == 422
    assert finding in words(answer)
    assert SECRET not in answer.text
    with runtime.sessions() as session:
        assert services.search(session, runtime, services.ServiceFilter()).items == []
