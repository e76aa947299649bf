"""People: inviting them, changing what they may do, shutting them out, helping them back in."""

from __future__ import annotations

import re
import threading

import pytest
from sqlalchemy import select

from tests.codes import code_of, enrol
from tests.people import PASSWORD, form_token, make_user, sign_in
from webapp.accounts import administration
from webapp.accounts.administration import AdministrationRefused
from webapp.models.audit import AuditEntry
from webapp.models.factor import AccountLink
from webapp.models.user import User

PEOPLE = "/settings/users"
NEW = "gravel sonnet tundra kite"
LINK = re.compile(r"http://localhost(/join/[A-Za-z0-9_-]{43})")


def invite(client, **changes):
    form = {"email": "new@example.com", "name": "New", "role": "operator"} | changes
    return client.post(f"{PEOPLE}/new", data=form)


def link_in(answer):
    found = LINK.search(answer.text)
    assert found, answer.text
    return found[1]


def choose(client, link, password=NEW):
    return client.post(link, data={"csrf_token": form_token(client, link), "password": password})


def do(client, user, action, **form):
    return client.post(f"{PEOPLE}/{user.user_id}/{action}", data=form, follow_redirects=True)


def fresh(runtime, user):
    with runtime.sessions() as session:
        return session.get_one(User, user.user_id)


def test_an_invited_person_chooses_the_password_and_is_in(app, admin_client, runtime):
    answer = invite(admin_client)
    link = link_in(answer)
    newcomer = app.test_client()
    assert "new@example.com" in newcomer.get(link).text

    answer = choose(newcomer, link)

    assert (answer.status_code, answer.location) == (303, "/")
    assert newcomer.get("/settings/integrations").status_code == 200
    with runtime.sessions() as session:
        user = session.scalars(select(User).where(User.email == "new@example.com")).one()
        assert (user.role, user.name) == ("operator", "New")
        assert link.rpartition("/")[2] not in str(
            [row.token_hash for row in session.scalars(select(AccountLink))]
        )


def test_the_link_works_once_and_not_for_ever(app, admin_client, clock):
    link = link_in(invite(admin_client))
    assert choose(app.test_client(), link).status_code == 303
    assert app.test_client().get(link).status_code == 410

    late = link_in(invite(admin_client, email="late@example.com"))
    clock.advance(3 * 24 * 3600)
    assert app.test_client().get(late).status_code == 410


@pytest.mark.parametrize("token", ["x", "A" * 43])
def test_an_invented_link_reads_like_a_spent_one(client, token):
    assert client.get(f"/join/{token}").status_code == 410


def test_a_weak_password_does_not_use_the_link_up(app, admin_client):
    link, newcomer = link_in(invite(admin_client)), app.test_client()

    answer = choose(newcomer, link, "short")

    assert answer.status_code == 422
    assert "at least 12" in answer.text
    assert choose(newcomer, link).status_code == 303


def test_before_that_nobody_can_sign_in_as_them(app, admin_client):
    invite(admin_client)
    client = app.test_client()
    for guess in ("", "new@example.com"):
        form = {"csrf_token": form_token(client, "/login"), "email": "new@example.com", "password": guess}
        assert client.post("/login", data=form).status_code == 422


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "x"}, "Enter an email address"),
        ({"email": "ADMIN@example.com"}, "exists already"),
        ({"name": ""}, "Enter a name"),
        ({"name": "A\nB\x00"}, "Enter a name"),
        ({"role": "king"}, "There is no role king"),
        ({"role": "owner"}, "above your own"),
    ],
)
def test_bad_input_is_explained_and_saves_nothing(admin_client, runtime, changes, message):
    answer = invite(admin_client, **changes)

    assert answer.status_code == 422
    assert message in answer.text
    with runtime.sessions() as session:
        assert [user.role for user in session.scalars(select(User))] == ["admin"]


@pytest.mark.parametrize("extra", ["is_admin", "user_id", "password_hash", "is_active"])
def test_fields_that_are_not_on_the_form_are_refused(admin_client, runtime, extra):
    assert invite(admin_client, **{extra: "1"}).status_code == 422
    with runtime.sessions() as session:
        assert session.scalars(select(User).where(User.email == "new@example.com")).first() is None


def test_two_values_of_one_field_are_refused(admin_client):
    assert invite(admin_client, role=["viewer", "admin"]).status_code == 400


def test_a_role_counts_from_the_next_request_on(app, admin_client, viewer, runtime):
    theirs = sign_in(app.test_client(), viewer)
    assert theirs.get("/settings/routes/new").status_code == 403

    do(admin_client, viewer, "role", role="admin")

    assert theirs.get("/settings/routes/new").status_code == 200
    with runtime.sessions() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.role")).one()
        assert (entry.actor, entry.target, entry.detail) == (
            "admin@example.com",
            viewer.email,
            {"from": "viewer", "to": "admin"},
        )


def test_nobody_gives_more_than_they_have(admin_client, viewer, runtime):
    answer = do(admin_client, viewer, "role", role="owner")

    assert "above your own" in answer.text
    assert fresh(runtime, viewer).role == "viewer"


@pytest.mark.parametrize(
    "action", ["role", "disable", "enable", "sign-out", "reset-password", "reset-second-step"]
)
def test_an_administrator_does_not_touch_an_owner(admin_client, owner, runtime, action):
    answer = do(admin_client, owner, action, **({"role": "viewer"} if action == "role" else {}))

    assert "above yours" in answer.text
    assert (fresh(runtime, owner).role, fresh(runtime, owner).is_active) == ("owner", True)
    assert fresh(runtime, owner).password_hash


@pytest.mark.parametrize(
    "action", ["role", "disable", "enable", "sign-out", "reset-password", "reset-second-step"]
)
def test_nobody_shuts_themselves_out(owner_client, owner, runtime, action):
    answer = do(owner_client, owner, action, **({"role": "viewer"} if action == "role" else {}))

    assert "your own account" in answer.text
    assert (fresh(runtime, owner).role, fresh(runtime, owner).is_active) == ("owner", True)


def test_the_last_owner_stays(app, runtime, owner, owner_client):
    second = make_user(app, "owner", "second@example.com")
    with app.app_context(), runtime.sessions() as session:
        administration.disable(
            session,
            runtime,
            session.get_one(User, owner.user_id),
            actor=session.get_one(User, second.user_id),
        )
        session.commit()
        with pytest.raises(AdministrationRefused, match="last owner"):
            administration.disable(
                session,
                runtime,
                session.get_one(User, second.user_id),
                actor=session.get_one(User, owner.user_id),
            )


def test_of_two_owners_who_shut_each_other_out_one_stays(app, runtime, owner):
    second = make_user(app, "owner", "second@example.com")
    pairs = [(owner.user_id, second.user_id), (second.user_id, owner.user_id)]
    start = threading.Barrier(2)

    def shut_out(who, whom):
        with app.app_context(), runtime.sessions() as session:
            actor, user = session.get_one(User, who), session.get_one(User, whom)
            start.wait()
            try:
                administration.disable(session, runtime, user, actor=actor)
                session.commit()
            except AdministrationRefused:
                session.rollback()

    threads = [threading.Thread(target=shut_out, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    with runtime.sessions() as session:
        assert sorted(user.is_active for user in session.scalars(select(User))) == [False, True]


def test_disabling_ends_sessions_and_links(app, admin_client, viewer, runtime):
    theirs = sign_in(app.test_client(), viewer)
    link = link_in(admin_client.post(f"{PEOPLE}/{viewer.user_id}/reset-password"))

    answer = do(admin_client, viewer, "disable")

    assert "Disabled" in answer.text
    assert theirs.get("/account").location.startswith("/login")
    assert app.test_client().get(link).status_code == 410
    do(admin_client, viewer, "enable")
    assert fresh(runtime, viewer).is_active


def test_a_reset_password_works_no_more_and_the_link_sets_a_new_one(app, admin_client, viewer):
    theirs = sign_in(app.test_client(), viewer)

    link = link_in(admin_client.post(f"{PEOPLE}/{viewer.user_id}/reset-password"))

    assert theirs.get("/account").location.startswith("/login")
    client = app.test_client()
    form = {"csrf_token": form_token(client, "/login"), "email": viewer.email, "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 422
    assert choose(client, link).status_code == 303
    assert client.get("/account").status_code == 200


def test_a_reset_does_not_lead_around_the_second_step(app, admin_client, viewer, clock):
    theirs = sign_in(app.test_client(), viewer)
    seed, _ = enrol(theirs, clock)
    clock.advance(30)
    link = link_in(admin_client.post(f"{PEOPLE}/{viewer.user_id}/reset-password"))
    client = app.test_client()

    answer = choose(client, link)

    assert answer.location == "/login/code"
    assert client.get("/account").location.startswith("/login")
    token = form_token(client, "/login")
    assert (
        client.post("/login/code", data={"csrf_token": token, "code": code_of(seed, clock)}).status_code
        == 303
    )


def test_a_second_step_can_be_reset(app, admin_client, viewer, clock):
    theirs = sign_in(app.test_client(), viewer)
    enrol(theirs, clock)

    do(admin_client, viewer, "reset-second-step")

    assert theirs.get("/account").location.startswith("/login")
    assert sign_in(app.test_client(), viewer).get("/account").status_code == 200


def test_the_list_says_how_well_each_account_is_guarded(app, admin_client, viewer, clock):
    enrol(sign_in(app.test_client(), viewer), clock)
    invite(admin_client)

    page = admin_client.get(PEOPLE).text

    assert "Link open" in page
    assert "In use" in page
    assert "new@example.com" in page


@pytest.mark.parametrize("user_id", ["none", "00000000-0000-7000-8000-000000000000"])
def test_who_does_not_exist_is_not_found(admin_client, user_id):
    assert admin_client.get(f"{PEOPLE}/{user_id}").status_code == 404
    assert admin_client.post(f"{PEOPLE}/{user_id}/disable").status_code == 404


def test_names_are_shown_as_text(app, admin_client):
    make_user(app, "viewer", "x@example.com")
    invite(admin_client, name="<script>alert(1)</script>{{7*7}}")

    page = admin_client.get(PEOPLE).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page
