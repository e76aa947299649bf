"""One's own account: the password and the browsers one is signed in with."""

from __future__ import annotations

import re

import pytest

from tests.people import PASSWORD, make_user, sign_in
from webapp.accounts.sessions import digest

NEW = "gravel sonnet tundra kite"
HANDLE = re.compile(r'name="handle" value="([0-9a-f]{16})"')
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0"


def change(client, **form):
    return client.post("/account/password", data={"current": PASSWORD, "password": NEW} | form)


def test_a_new_password_counts_at_once_and_ends_other_browsers(app, viewer, viewer_client):
    other = sign_in(app.test_client(), viewer)
    before = viewer_client.get_cookie("pb").value

    assert change(viewer_client).status_code == 303

    assert viewer_client.get("/account").status_code == 200
    assert viewer_client.get_cookie("pb").value != before
    assert other.get("/account").location.startswith("/login")
    assert sign_in(app.test_client(), viewer, NEW)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"current": "wrong"}, "not your password"),
        ({"current": ""}, "not your password"),
        ({"password": "short"}, "at least 12"),
        ({"password": "x" * 129}, "at most 128"),
        ({"password": "viewer@example.com"}, "easy to guess"),
        ({"password": "patchbay patchbay"}, "easy to guess"),
    ],
)
def test_a_refused_password_is_explained_and_the_old_one_stays(app, viewer, viewer_client, form, message):
    answer = change(viewer_client, **form)

    assert answer.status_code == 422
    assert message in answer.text
    assert NEW not in answer.text
    assert sign_in(app.test_client(), viewer)


@pytest.mark.parametrize("length", [12, 64, 128])
def test_long_passwords_and_every_alphabet_are_fine(app, viewer, viewer_client, length):
    password = ("琴 gravel sonnet tundra kite 石 " * 6)[:length].strip().ljust(length, "é")

    assert change(viewer_client, password=password).status_code == 303
    assert sign_in(app.test_client(), viewer, password)


def test_the_same_letters_written_otherwise_are_the_same_password(app, viewer, viewer_client):
    change(viewer_client, password="caf\u00e9 gravel sonnet tundra")

    assert sign_in(app.test_client(), viewer, "cafe\u0301 gravel sonnet tundra")


def test_guessing_the_present_password_is_slowed_down(viewer_client):
    for _ in range(5):
        change(viewer_client, current="guess")

    assert "Too many attempts" in change(viewer_client).text


def test_browsers_are_listed_by_name(app, viewer, viewer_client):
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = FIREFOX
    sign_in(other, viewer)

    page = viewer_client.get("/account").text

    assert "Firefox · Windows" in page
    assert "This browser" in page


def test_one_browser_can_be_signed_out(app, viewer, viewer_client):
    other = sign_in(app.test_client(), viewer)
    third = sign_in(app.test_client(), viewer)
    handles = HANDLE.findall(other.get("/account").text)
    assert len(handles) == 2

    assert viewer_client.post("/account/sessions/end", data={"handle": handles[0]}).status_code == 303

    alive = [client.get("/account").status_code == 200 for client in (viewer_client, other, third)]
    assert alive.count(False) == 1


def test_all_others_can_be_signed_out(app, viewer, viewer_client):
    others = [sign_in(app.test_client(), viewer) for _ in range(2)]

    assert viewer_client.post("/account/sessions/end-others").status_code == 303

    assert viewer_client.get("/account").status_code == 200
    assert all(client.get("/account").location.startswith("/login") for client in others)


@pytest.mark.parametrize("handle", ["", "%", "_" * 16, "0" * 16, "0" * 64, "' OR 1=1 --"])
def test_a_session_that_is_not_ones_own_is_not_found(app, viewer_client, handle):
    sign_in(app.test_client(), make_user(app, "admin"))

    assert viewer_client.post("/account/sessions/end", data={"handle": handle}).status_code == 404


def test_nobody_ends_the_sessions_of_others(app, viewer_client, admin_client):
    sign_in(app.test_client(), make_user(app, "admin", "second@example.com"))
    admin_page = admin_client.get("/account").text
    assert HANDLE.findall(admin_page) == []
    other = sign_in(app.test_client(), make_user(app, "operator"))
    twin = app.test_client()
    twin.set_cookie("pb", other.get_cookie("pb").value)

    handle = digest(other.get_cookie("pb").value)[:16]
    assert viewer_client.post("/account/sessions/end", data={"handle": handle}).status_code == 404
    assert twin.get("/account").status_code == 200


def test_a_session_past_its_time_is_not_listed(app, viewer, viewer_client, clock):
    sign_in(app.test_client(), viewer)
    clock.advance(29 * 60)
    viewer_client.get("/account")
    clock.advance(2 * 60)

    assert HANDLE.findall(viewer_client.get("/account").text) == []
