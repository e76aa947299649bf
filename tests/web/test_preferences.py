"""Language, colours, density and time zone."""

from __future__ import annotations

import pytest

from tests.people import form_token, sign_in
from webapp.models.user import User


def save(client, **form):
    return client.post("/preferences", data={"csrf_token": form_token(client), **form})


def stored(runtime, user):
    with runtime.sessions() as session:
        return session.get_one(User, user.user_id)


def test_a_visitor_changes_the_language_and_stays_on_the_page(client):
    answer = save(client, locale="zh_Hans_CN", next="/login?next=/logs")

    assert (answer.status_code, answer.location) == (303, "/login?next=/logs")
    assert '<html lang="zh-CN"' in client.get("/login").text


@pytest.mark.parametrize(("name", "value"), [("theme", "dark"), ("density", "compact")])
def test_looks_are_written_on_the_page_by_the_server(client, name, value):
    save(client, **{name: value})

    assert f'data-{name}="{value}"' in client.get("/login").text


@pytest.mark.parametrize(
    ("name", "value"), [("locale", "en"), ("theme", "light"), ("timezone", "Asia/Shanghai")]
)
def test_choices_are_kept_with_the_person(runtime, admin, admin_client, name, value):
    save(admin_client, **{name: value})

    assert getattr(stored(runtime, admin), name) == value


def test_choices_follow_the_person_to_another_browser(app, admin, admin_client):
    save(admin_client, theme="dark")
    other = sign_in(app.test_client(), admin)

    assert 'data-theme="dark"' in other.get("/no-such-page").text


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"locale": "tlh"},
        {"theme": "neon"},
        {"theme": "dark\r\nX: y"},
        {"density": "dense"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"theme": "dark", "locale": "tlh"},
    ],
)
def test_what_does_not_exist_is_refused_and_nothing_is_kept(runtime, admin, admin_client, form):
    answer = save(admin_client, **form)

    assert answer.status_code == 400
    assert stored(runtime, admin).theme is None
    assert admin_client.get_cookie("theme") is None


def test_it_leads_to_our_own_pages_only(client):
    assert save(client, theme="dark", next="//evil.example").location == "/"
