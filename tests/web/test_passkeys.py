"""Passkeys through the pages: making, naming, using in the place of a code or of everything, removing."""

from __future__ import annotations

import dataclasses
import json
import re
from html import unescape

import pytest
from sqlalchemy import select

from tests.codes import enrol
from tests.device import PRESENT, Device
from tests.people import PASSWORD, form_token, make_user, sign_in
from tests.web.services import words
from webapp.accounts import users
from webapp.models.audit import AuditEntry
from webapp.models.passkey import Passkey

ADD = "/account/passkeys/add"


def options_on(client, path):
    found = re.search(r'data-passkey="([^"]+)"', client.get(path).text)
    assert found, f"{path} asks for no passkey"
    return json.loads(unescape(found[1]))


def register(client, device, name="Phone", **bent):
    answer = device.create(options_on(client, ADD), **bent)
    return client.post(ADD, data={"name": name, "answer": answer})


def stranger(app):
    client = app.test_client()
    client.environ_base["HTTP_X_CSRFTOKEN"] = form_token(client, "/login")
    return client


def come_in(app, device, client=None, **bent):
    client = client or stranger(app)
    answer = device.use(options_on(client, "/login"), **bent)
    return client.post("/login/passkey", data={"answer": answer}), client


def is_in(client):
    return client.get("/account").status_code == 200


@pytest.fixture
def device(viewer_client):
    device = Device()
    made = register(viewer_client, device)
    assert made.status_code == 200, words(made)
    return device


def test_the_first_one_brings_recovery_codes_and_signs_other_browsers_out(app, viewer):
    first, second = (sign_in(app.test_client(), viewer) for _ in range(2))

    made = register(first, Device())

    assert len(re.findall(r"<li><code>", made.text)) == 10
    assert is_in(first)
    assert not is_in(second)
    assert register(first, Device(), "Blue key").status_code == 303
    listed = words(first.get("/account/passkeys"))
    assert "Phone" in listed
    assert "Blue key" in listed


def test_it_takes_the_place_of_password_and_code(app, device, runtime):
    answer, client = come_in(app, device)

    assert answer.status_code == 303
    assert is_in(client)
    with runtime.sessions() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "sign_in").order_by(AuditEntry.seq.desc())
        ).first()
        assert entry.detail["method"] == "passkey"
        assert session.scalars(select(Passkey)).one().last_used_at is not None


def test_alone_it_has_to_know_its_owner(app, device):
    answer, client = come_in(app, device, flags=PRESENT)

    assert answer.location.endswith("/login") or "/login?" in answer.location
    assert not is_in(client)


def test_it_takes_the_place_of_the_code_after_the_password(app, device, viewer):
    client = stranger(app)
    halfway = client.post("/login", data={"email": viewer.email, "password": PASSWORD})
    assert halfway.location.startswith("/login/code")
    assert not is_in(client)

    answer = device.use(options_on(client, "/login/code"), flags=PRESENT)
    assert client.post("/login/code/passkey", data={"answer": answer}).status_code == 303
    assert is_in(client)


def test_the_passkey_of_another_person_is_no_second_step(app, device, viewer):
    other = make_user(app, "operator")
    theirs = Device()
    register(sign_in(app.test_client(), other), theirs)
    client = stranger(app)
    client.post("/login", data={"email": viewer.email, "password": PASSWORD})

    answer = theirs.use(options_on(client, "/login/code"))
    client.post("/login/code/passkey", data={"answer": answer})

    assert not is_in(client)


def test_an_answer_counts_once(app, device):
    client = stranger(app)
    options = options_on(client, "/login")
    cookie = client.get_cookie("pb-guest").value
    answer = device.use(options)
    device.count = 0  # a synced key does not count
    assert client.post("/login/passkey", data={"answer": answer}).status_code == 303
    assert is_in(client)

    thief = app.test_client()
    thief.set_cookie("pb-guest", cookie)
    thief.environ_base["HTTP_X_CSRFTOKEN"] = form_token(thief, "/preferences")
    thief.post("/login/passkey", data={"answer": answer})

    assert not is_in(thief)


@pytest.mark.parametrize(
    "bent", [{"origin": "http://evil.example"}, {"site": "evil.example"}, {"origin": "https://localhost"}]
)
def test_what_was_signed_for_another_site_opens_nothing(app, device, viewer_client, bent):
    _, client = come_in(app, device, **bent)

    assert not is_in(client)
    assert register(viewer_client, Device(), "Other", **bent).status_code == 422


def test_a_copied_device_is_noticed(app, device, runtime):
    come_in(app, device)
    come_in(app, device)
    device.count = 0

    _, client = come_in(app, device)

    assert not is_in(client)
    with runtime.sessions() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.action == "passkey.refused")).one()


def test_a_challenge_ends_after_five_minutes(app, device, clock):
    client = stranger(app)
    answer = device.use(options_on(client, "/login"))
    clock.advance(5 * 60)

    client.post("/login/passkey", data={"answer": answer})

    assert not is_in(client)


@pytest.mark.parametrize(
    "answer",
    ["", "[]", "null", "{}", '{"id": 1}', "x" * 20_000, '{"id":"\\ud800"}', "[" * 9000, '{"id":"\\u0000"}'],
)
def test_nonsense_is_refused_and_no_error(app, device, answer, viewer_client):
    client = stranger(app)
    options_on(client, "/login")

    assert client.post("/login/passkey", data={"answer": answer}).status_code == 303
    assert not is_in(client)
    options_on(viewer_client, ADD)
    assert viewer_client.post(ADD, data={"name": "x", "answer": answer}).status_code == 422


def test_a_disabled_person_and_one_whose_password_is_reset_stay_out(app, device, viewer, runtime):
    with runtime.sessions() as session:
        session.merge(viewer).password_hash = None
        session.commit()
    assert not is_in(come_in(app, device)[1])
    with app.app_context(), runtime.sessions() as session:
        user = session.get_one(type(viewer), viewer.user_id)
        user.password_hash = "x"
        users.disable(session, runtime, user, actor="tests")
        session.commit()
    assert not is_in(come_in(app, device)[1])


def test_it_confirms_who_one_is(viewer_client, device, clock):
    clock.advance(11 * 60)
    assert "/confirm" in viewer_client.get(ADD).location

    answer = device.use(options_on(viewer_client, f"/confirm?next={ADD}"))
    confirmed = viewer_client.post("/confirm/passkey", data={"answer": answer, "next": ADD})

    assert confirmed.location == ADD
    assert viewer_client.get(ADD).status_code == 200


def test_rename_and_remove(viewer_client, device, runtime, app, clock):
    with runtime.sessions() as session:
        passkey_id = session.scalars(select(Passkey)).one().passkey_id
    form = {"passkey": passkey_id, "name": "  Old   phone "}
    assert viewer_client.post("/account/passkeys/rename", data=form).status_code == 303
    assert "Old phone" in words(viewer_client.get("/account/passkeys"))
    assert viewer_client.post("/account/passkeys/rename", data=form | {"name": ""}).status_code == 422
    other = sign_in(app.test_client(), make_user(app, "operator"))
    assert other.post("/account/passkeys/rename", data=form).status_code == 404
    assert other.post("/account/passkeys/remove", data={"passkey": passkey_id}).status_code == 404
    clock.advance(11 * 60)
    assert "/confirm" in viewer_client.post("/account/passkeys/remove", data={"passkey": passkey_id}).location
    viewer_client.post("/confirm", data={"password": PASSWORD})

    assert viewer_client.post("/account/passkeys/remove", data={"passkey": passkey_id}).status_code == 303

    assert not is_in(come_in(app, device)[1])
    assert "Not set up" in words(viewer_client.get("/account"))


def test_it_is_the_second_step_that_a_role_demands(app, runtime):
    runtime.config = dataclasses.replace(runtime.config, require_mfa=True)
    admin = make_user(app, "admin")
    client = sign_in(app.test_client(), admin)
    assert "/account/second-step" in client.get("/settings/users").location
    assert ADD in client.get("/account/second-step/add").text

    device = Device()
    assert register(client, device).status_code == 200
    assert client.get("/settings/users").status_code == 200

    with runtime.sessions() as session:
        passkey_id = session.scalars(select(Passkey)).one().passkey_id
    client.post("/account/passkeys/remove", data={"passkey": passkey_id})
    assert "must have a second step" in words(client.get("/account/passkeys"))
    with runtime.sessions() as session:
        assert session.scalars(select(Passkey)).one()


def test_an_administrator_who_resets_the_second_step_takes_passkeys_away(
    app, owner_client, viewer, device, runtime
):
    assert owner_client.post(f"/settings/users/{viewer.user_id}/reset-second-step").status_code == 303

    with runtime.sessions() as session:
        assert session.scalars(select(Passkey)).all() == []


def test_with_an_app_beside_it_the_last_passkey_may_go(app, viewer_client, device, clock, runtime):
    enrol(viewer_client, clock)
    with runtime.sessions() as session:
        passkey_id = session.scalars(select(Passkey)).one().passkey_id

    viewer_client.post("/account/passkeys/remove", data={"passkey": passkey_id})

    assert "authenticator app is asked" in words(viewer_client.get("/account"))


def test_names_are_checked(viewer_client):
    for name in ("", " ", "x" * 121):
        assert register(viewer_client, Device(), name).status_code == 422


def test_a_bare_address_has_no_passkeys(app, viewer):
    page = app.test_client().get("/login", base_url="http://127.0.0.1").text

    assert "data-passkey" not in page
    assert "data-passkey" not in app.test_client().get("/login", base_url="http://patchbay.example").text
    assert "data-passkey" in app.test_client().get("/login", base_url="https://patchbay.example").text
