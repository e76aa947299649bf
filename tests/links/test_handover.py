"""A trusted proxy hands its signed-in people over, and nobody else can."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets

import pytest
from sqlalchemy import select

from tests.people import make_user
from webapp import create_app
from webapp.accounts.handover import HEADER, signature
from webapp.config import Config, ConfigError
from webapp.handoverconfig import Handover
from webapp.models.user import User

KEY = "a key that both sides know, and nobody else"
PAGE = "/account"


@pytest.fixture
def config(config):
    return dataclasses.replace(config, handover=Handover(KEY, ("127.0.0.1/32",)))


def header(clock, path=PAGE, *, key=KEY, age=0, nonce=None, method="GET", host="localhost", **person):
    """What the proxy sends with a request."""
    person = {"sub": "42", "email": "kim@platform.example", "name": "Kim"} | person
    said = base64.urlsafe_b64encode(json.dumps(person).encode()).rstrip(b"=").decode()
    head = f"v1.{int(clock.now().timestamp() - age)}.{nonce or secrets.token_urlsafe(16)}.{said}"
    return f"{head}.{signature(key, head, method, host, path)}"


def get(client, value, path=PAGE, **more):
    return client.get(path, headers={HEADER: value} if value else {}, **more)


def people(runtime):
    with runtime.sessions() as session:
        return list(session.scalars(select(User).order_by(User.user_id)))


def test_a_person_is_handed_over(client, clock, runtime):
    answer = get(client, header(clock))

    assert answer.status_code == 200
    (kim,) = people(runtime)
    assert (kim.email, kim.name, kim.role, kim.password_hash) == (
        "kim@platform.example",
        "Kim",
        "member",
        None,
    )
    assert get(client, header(clock)).status_code == 200
    assert len(people(runtime)) == 1


def test_they_are_never_asked_for_a_password_they_do_not_have(client, clock):
    get(client, header(clock))
    clock.advance(1200)
    answer = get(client, header(clock, "/my/data.json"), "/my/data.json")

    assert (answer.status_code, answer.json["links"]) == (200, [])


def test_nothing_of_the_administration_is_open_to_them(client, clock):
    assert get(client, header(clock, "/settings/integrations"), "/settings/integrations").status_code == 403


def test_a_stripped_header_ends_the_session(client, clock):
    get(client, header(clock))

    assert get(client, None).status_code in {302, 303, 401}
    assert get(client, None).status_code in {302, 303, 401}


def test_another_person_gets_a_session_of_their_own(client, clock, runtime):
    get(client, header(clock))
    get(client, header(clock, sub="43", email="tom@platform.example", name="Tom"))

    assert (
        "tom@platform.example"
        in get(client, header(clock, sub="43", email="tom@platform.example", name="Tom")).text
    )
    assert len(people(runtime)) == 2


@pytest.mark.parametrize(
    "forge",
    [
        lambda clock: header(clock, key="another key that nobody here knows of"),
        lambda clock: header(clock, age=61),
        lambda clock: header(clock, age=-61),
        lambda clock: header(clock, path="/elsewhere"),
        lambda clock: header(clock, method="POST"),
        lambda clock: header(clock, host="evil.example"),
        lambda clock: header(clock)[:-1] + "0" * (header(clock)[-1] != "0") + "1" * (header(clock)[-1] == "0"),
        lambda _clock: "v1.1.short.e30." + "0" * 64,
        lambda _clock: "kim@platform.example",
        lambda clock: header(clock, sub=""),
        lambda clock: header(clock, sub=["42"]),
        lambda clock: header(clock, email="not an address"),
        lambda clock: header(clock, nonce="short"),
        lambda _clock: "v1.." + "a" * 5000,
    ],
    ids=[
        "wrong key", "too old", "from the future", "another path", "another method", "another host", "changed",
        "made up", "a bare address", "no subject", "a list", "no address", "a short nonce", "garbage",
    ],
)  # fmt: skip
def test_a_forged_header_opens_nothing(client, clock, runtime, forge):
    assert get(client, forge(clock)).status_code in {302, 303, 401}
    assert people(runtime) == []


def test_a_replay_opens_nothing(app, clock):
    sent = header(clock)
    assert get(app.test_client(), sent).status_code == 200

    assert get(app.test_client(), sent).status_code in {302, 303, 401}


def test_only_the_proxy_is_believed(client, clock, runtime):
    answer = get(client, header(clock), environ_base={"REMOTE_ADDR": "203.0.113.9"})

    assert answer.status_code in {302, 303, 401}
    assert people(runtime) == []


def test_forwarding_headers_do_not_make_a_proxy(runtime, clock):
    app = create_app(
        runtime=dataclasses.replace(runtime, config=dataclasses.replace(runtime.config, proxy_hops=1))
    )
    answer = app.test_client().get(
        PAGE,
        headers={HEADER: header(clock), "X-Forwarded-For": "127.0.0.1"},
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
    )
    assert answer.status_code in {302, 303, 401}


def test_staff_cannot_be_handed_over(app, client, clock, runtime):
    admin = make_user(app, "admin")
    assert get(client, header(clock, email=admin.email)).status_code in {302, 303, 401}
    with runtime.sessions() as session:
        session.get_one(User, admin.user_id).identity = "handover|42"
        session.commit()

    assert get(client, header(clock, email=admin.email)).status_code in {302, 303, 401}


def test_an_account_is_not_taken_over_by_its_address(app, client, clock):
    make_user(app, "member", "kim@platform.example")

    assert get(client, header(clock)).status_code in {302, 303, 401}


def test_a_disabled_account_stays_out(client, clock, runtime):
    get(client, header(clock))
    with runtime.sessions() as session:
        session.scalar(select(User)).is_active = False
        session.commit()

    assert get(client, header(clock)).status_code in {302, 303, 401}


def test_who_signed_in_here_is_left_alone(viewer_client, clock, runtime):
    before = len(people(runtime))

    assert (
        get(viewer_client, header(clock, "/settings/integrations"), "/settings/integrations").status_code
        == 200
    )
    assert len(people(runtime)) == before


def test_the_api_does_not_look_at_it(client, clock, runtime):
    path = "/integrations/services"
    assert get(client, header(clock, path), path).status_code == 401
    assert people(runtime) == []


def test_it_is_off_unless_it_is_set(runtime, clock):
    app = create_app(
        runtime=dataclasses.replace(runtime, config=dataclasses.replace(runtime.config, handover=None))
    )

    assert get(app.test_client(), header(clock)).status_code in {302, 303, 401}
    assert Config.from_env({}).handover is None


@pytest.mark.parametrize(
    "environ",
    [
        {"PATCHBAY_HANDOVER_KEY": KEY},
        {"PATCHBAY_HANDOVER_FROM": "10.0.0.1"},
        {"PATCHBAY_HANDOVER_KEY": "short", "PATCHBAY_HANDOVER_FROM": "10.0.0.1"},
        {"PATCHBAY_HANDOVER_KEY": KEY, "PATCHBAY_HANDOVER_FROM": "everywhere"},
    ],
)
def test_an_open_door_is_refused_at_the_start(environ):
    with pytest.raises(ConfigError) as caught:
        Config.from_env(environ)
    assert KEY not in str(caught.value)
