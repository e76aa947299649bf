"""What attackers try against the site as a whole, and what they get for it."""

from __future__ import annotations

import re
import resource
import threading
import time
from html.parser import HTMLParser

import pytest
from sqlalchemy import select

from tests.people import PASSWORD, form_token, make_user, sign_in, values_for
from webapp import MAX_BODY
from webapp.accounts import users
from webapp.accounts.passwords import Cost
from webapp.models.service import Service
from webapp.models.user import User

INJECTIONS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '<a data-hx-get="/logout" data-hx-trigger="load">x</a>',
    "{{7*7}}",
    "javascript:alert(1)",
)
MAIL = {
    "config-from_email": "a@example.com",
    "config-api_key": "SG.0123456789abcdef",
    "timeout": "10",
    "attempts": "3",
    "first_wait": "0.2",
    "longest_wait": "5",
    "health_interval": "60",
}
NEW_MAIL = "/settings/integrations/new/EMAIL_PROVIDER_SENDGRID"


def add_mail(client, **changes):
    return client.post(NEW_MAIL, data={"name": "Mail"} | MAIL | changes)


class Reader(HTMLParser):
    """Reads a page as a browser does, and keeps what could act by itself."""

    def __init__(self):
        super().__init__()
        self.active = []

    def handle_starttag(self, tag, attributes):
        names = {name for name, _ in attributes}
        if (tag == "script" and "nonce" not in names) or any(name.startswith("on") for name in names):
            self.active.append((tag, names))
        if any(name.startswith(("hx-", "data-hx-")) for name in names) and not names & {
            "data-hx-nonce",
            "data-hx-ignore",
        }:
            self.active.append((tag, names))


def assert_inert(page, path):
    reader = Reader()
    reader.feed(page)
    assert reader.active == [], path


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_people_write_is_text_on_every_page(admin_client, viewer, text):
    made = add_mail(admin_client, name=text, description=text)
    assert made.status_code == 303, made.text
    admin_client.post(
        "/settings/routes/new", data={"name": "MAIL", "contract": "EMAIL_SERVICE", "description": text}
    )
    admin_client.post("/settings/users/new", data={"email": "x@example.com", "name": text, "role": "viewer"})
    admin_client.post("/settings/tokens/new", data={"name": text, "scopes": "calls:write", "days": "30"})
    pages = [
        "/settings/integrations",
        made.location,
        f"{made.location}/edit",
        f"{made.location}/history",
        f"{made.location}/health",
        "/settings/routes",
        "/settings/users",
        "/settings/tokens",
        "/settings/audit",
    ]

    for path in pages:
        page = admin_client.get(path).text
        if text not in {"{{7*7}}", "javascript:alert(1)"}:
            assert text not in page, path
        assert 'href="javascript:' not in page, path
        assert ">49<" not in page, path
        assert_inert(page, path)


@pytest.mark.parametrize(
    "extra", ["is_enabled", "service_id", "owner_id", "dek_id", "secrets", "config-none"]
)
def test_a_service_form_takes_only_its_fields(admin_client, runtime, extra):
    assert add_mail(admin_client, **{extra: "1"}).status_code == 422
    assert add_mail(admin_client, name=["Mail", "Post"]).status_code == 400
    with runtime.sessions() as session:
        assert session.scalars(select(Service)).all() == []


@pytest.mark.parametrize("extra", ["is_admin", "service_id", "owner_id", "dek_id", "revision"])
def test_the_api_takes_only_what_it_knows(client, token, extra):
    body = {
        "service_name": "Mail",
        "service_type": "EMAIL_PROVIDER_SENDGRID",
        "configurations": {"from_email": "a@example.com", "api_key": "SG.0123456789abcdef"},
        extra: 1,
    }

    answer = client.post("/integrations/services", json=body, headers=token())

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{extra}"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_json_under_another_name_is_refused(client, token, kind):
    answer = client.post("/integrations/services", data="{}", content_type=kind, headers=token())

    assert answer.status_code == 415


def test_a_token_in_the_address_is_not_read(client, token):
    text = token()["Authorization"].removeprefix("Bearer ")

    for name in ("token", "access_token", "authorization", "Authorization", "api_key"):
        assert client.get("/integrations/services", query_string={name: text}).status_code == 401
    assert client.get("/integrations/services", headers={"Authorization": f"Basic {text}"}).status_code == 401
    assert client.get("/integrations/services", headers={"Authorization": text}).status_code == 401
    assert (
        client.get("/integrations/services", headers={"Authorization": f"Bearer {text[:11]}"}).status_code
        == 401
    )


@pytest.mark.parametrize("typed", ["", "   ", "••••••••", "********"])
def test_a_mask_is_never_a_value(admin_client, runtime, typed):
    made = add_mail(admin_client)
    answer = admin_client.post(
        f"{made.location}/edit", data=MAIL | {"name": "Mail", "revision": "1", "config-api_key": typed}
    )

    with runtime.sessions() as session:
        secret_id = session.scalars(select(Service)).one().secrets["api_key"]
        stored = runtime.vault.open(
            session, secret_id if isinstance(secret_id, str) else secret_id["secret_id"]
        )
    assert stored == "SG.0123456789abcdef", answer.status_code


def test_neither_the_value_nor_its_length_is_in_the_form(admin_client):
    made = add_mail(admin_client)
    answer = admin_client.get(f"{made.location}/edit?replace=api_key")

    assert "SG.0123456789abcdef" not in answer.text
    field = re.search(r"<input[^>]+config-api_key[^>]*>", answer.text)[0]
    assert 'value=""' in field or "value=" not in field
    assert 'autocomplete="new-password"' in field
    assert "SG.01234" not in str(answer.headers)


# What differs between any two services, and between any two answers.
IDS = re.compile(
    r"""Mail [01]|[0-9a-f]{8}-[0-9a-f-]{27}|nonce="[^"]+"|X-CSRFToken[^}]+|name="csrf_token"\s+value="[^"]+\""""
)
SECRETS = ("SG.0123456789abcdef", "SG.0123456789abcdef" * 9)


def test_a_short_secret_and_a_long_one_look_the_same(admin_client, client, token):
    """In the form, on the pages of the service, in the API and in its headers; nothing but ids differs."""
    made = [
        add_mail(admin_client, name=f"Mail {number}", **{"config-api_key": value}).location
        for number, value in enumerate(SECRETS)
    ]
    ids = [location.rpartition("/")[2] for location in made]
    admin_client.get("/settings/integrations")  # takes the notices of both along
    headers = token()
    for path in ("", "/edit", "/edit?replace=api_key", "/secrets", "/history"):
        short, long = (IDS.sub("", admin_client.get(f"{location}{path}").text) for location in made)
        assert short == long, path
    answers = [client.get(f"/integrations/services/{service_id}", headers=headers) for service_id in ids]
    short, long = (IDS.sub("", answer.text) for answer in answers)
    assert short == long
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


def test_what_changes_something_cannot_be_asked_for_by_an_address(app, owner_client):
    adapter, tried = app.url_map.bind("localhost"), 0
    for rule in app.url_map.iter_rules():
        changing = rule.methods - {"OPTIONS", "GET", "HEAD"}
        path = adapter.build(rule.endpoint, values_for(rule), method=min(changing or {"GET"}))
        if adapter.test(path, "GET"):  # the same address also shows something
            continue
        tried += 1
        for method in ("GET", "HEAD"):
            with owner_client.open(path, method=method) as answer:
                assert answer.status_code == 405, (method, path)
    assert tried > 50


def test_forwarded_hosts_are_believed_only_from_our_proxies(client):
    answer = client.get(
        "/settings/integrations", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    )

    assert "evil.example" not in answer.location
    assert "Strict-Transport-Security" not in answer.headers


def multipart(**fields):
    """A form as browsers send it with a file."""
    parts = [
        f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    return ("".join(parts) + "--cut--\r\n").encode()


@pytest.mark.parametrize(
    "body",
    [
        multipart(**{f"f{number}": "x" for number in range(1001)}),
        multipart(theme="x" * 600_000),
        multipart(theme="x" * (MAX_BODY + 1)),
    ],
    ids=["1001 parts", "600 kB field", "1 MB form"],
)
def test_too_much_of_a_form_is_refused(client, body):
    headers = {"X-CSRFToken": form_token(client), "Content-Type": "multipart/form-data; boundary=cut"}

    assert client.post("/preferences", headers=headers, data=body).status_code == 413


def test_too_much_json_is_refused(client, token):
    body = b'{"service_name": "' + b"x" * 10_000_000 + b'"}'
    headers = token()

    answer = client.post(
        "/integrations/services", data=body, content_type="application/json", headers=headers
    )

    assert answer.status_code == 413


def test_an_unknown_address_takes_as_long_as_a_known_one(app, admin, runtime):
    app.config["PASSWORD_COST"] = Cost(memory=8 * 1024, passes=2, lanes=1)
    with app.app_context(), runtime.sessions() as session:
        user = session.get_one(User, admin.user_id)
        users.set_password(session, runtime, user, PASSWORD, actor="tests")
        session.commit()

        def work(email):
            begun = time.thread_time()  # what others do on this machine does not count
            users.check_password(session, email, "not this one at all")
            return time.thread_time() - begun

        def difference():
            pairs = [(work("admin@example.com"), work("nobody@example.com")) for _ in range(20)]
            known, unknown = (min(times) for times in zip(*pairs, strict=True))
            return abs(known / unknown - 1)

        work("nobody@example.com")
        # A caching processor may favour one side once; what really differs differs each time.
        assert min(difference() for _ in range(3)) < 0.1


def test_thirty_sign_ins_at_once_share_the_memory_and_all_come_in(app):
    people = [make_user(app, "viewer", f"p{number}@example.com") for number in range(30)]
    app.config["PASSWORD_COST"] = Cost(memory=64 * 1024, passes=1, lanes=1)
    came_in: list[bool] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def come(user):
        came_in.append(sign_in(app.test_client(), user).get("/account").status_code == 200)

    threads = [threading.Thread(target=come, args=[user]) for user in people]
    for thread in threads:
        thread.start()
    served = app.test_client().get("/healthz").status_code
    for thread in threads:
        thread.join(60)

    assert came_in == [True] * 30
    assert served == 200
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 30 * 64 / 2


def test_a_known_session_id_is_not_taken_over_by_planting_it(app, admin):
    attacker = sign_in(app.test_client(), make_user(app, "viewer"))
    planted = attacker.get_cookie("pb").value
    victim = app.test_client()
    victim.set_cookie("pb", planted)

    form = {"csrf_token": form_token(victim), "email": admin.email, "password": PASSWORD}
    assert victim.post("/login", data=form).status_code == 303

    assert victim.get_cookie("pb").value != planted
    assert attacker.get("/settings/users").status_code in {303, 403}


def test_sign_in_and_out_leave_nothing_for_the_next_person_at_the_browser(admin_client):
    answer = admin_client.post("/logout")

    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/login", "/preferences"])
def test_forms_for_visitors_take_only_their_fields_too(client, path):
    form = {"csrf_token": form_token(client, "/login"), "theme": "dark", "is_admin": "1"}

    assert client.post(path, data=form).status_code == 422


def test_what_was_forbidden_or_forged_is_in_the_log(viewer_client, caplog):
    viewer_client.get("/settings/users")
    viewer_client.environ_base.pop("HTTP_X_CSRFTOKEN")
    viewer_client.post("/logout")

    assert "Refused GET /settings/users of viewer@example.com (Forbidden)." in caplog.messages
    assert "Refused POST /logout of viewer@example.com (CSRFError)." in caplog.messages
