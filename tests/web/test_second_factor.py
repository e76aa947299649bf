"""The second step of signing in, through the pages."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import select

from tests.codes import code_of, enrol, seed_on
from tests.people import PASSWORD, form_token, make_user, sign_in
from webapp.accounts.roles import Role
from webapp.models.audit import AuditEntry
from webapp.models.factor import RecoveryCode, SecondFactor
from webapp.models.secret import Secret
from webapp.models.session import UserSession

MINUTE = 60


def half_way(client, user):
    """Give the password only."""
    client.environ_base.pop("HTTP_X_CSRFTOKEN", None)
    form = {"csrf_token": form_token(client, "/login"), "email": user.email, "password": PASSWORD}
    return client.post("/login", data=form)


def give(client, code, **form):
    token = form_token(client, "/login")
    return client.post("/login/code", data={"csrf_token": token, "code": code, **form})


def is_signed_in(client):
    return client.get("/account").status_code == 200


@pytest.fixture
def phone(admin_client, clock):
    """The seed of an admin's phone and their recovery codes; the time of the first code is over."""
    seed, codes = enrol(admin_client, clock)
    clock.advance(30)
    return seed, codes


def test_the_picture_and_the_text_lead_to_the_same_codes(admin_client, clock, runtime):
    page = admin_client.get("/account/second-step/add").text

    assert 'class="qr"' in page
    assert "style=" not in page
    seed = seed_on(admin_client)
    assert seed == seed_on(admin_client), "looking twice must not change what was scanned"
    assert (
        admin_client.post("/account/second-step/add", data={"code": code_of(seed, clock)}).status_code == 200
    )


def test_a_wrong_first_code_sets_nothing_up(app, admin, admin_client, clock):
    seed = seed_on(admin_client)
    wrong = f"{(int(code_of(seed, clock)) + 1) % 1_000_000:06}"

    answer = admin_client.post("/account/second-step/add", data={"code": wrong})

    assert answer.status_code == 422
    assert "does not fit" in answer.text
    assert half_way(app.test_client(), admin).location == "/"


def test_signing_in_asks_for_the_code(app, admin, clock, phone):
    client, (seed, _) = app.test_client(), phone

    answer = half_way(client, admin)

    assert answer.location == "/login/code?next=/"
    assert not is_signed_in(client)
    assert "authenticator app" in client.get(answer.location).text
    answer = give(client, code_of(seed, clock), next="/account")
    assert (answer.status_code, answer.location) == (303, "/account")
    assert is_signed_in(client)


def test_spaces_in_the_code_do_not_matter(app, admin, clock, phone):
    client, code = app.test_client(), code_of(phone[0], clock)
    half_way(client, admin)

    assert give(client, f" {code[:3]} {code[3:]} ").status_code == 303


def test_a_code_works_once(app, admin, clock, phone):
    code = code_of(phone[0], clock)
    first, second = app.test_client(), app.test_client()
    half_way(first, admin)
    half_way(second, admin)

    assert give(first, code).status_code == 303
    answer = give(second, code)
    assert answer.status_code == 422
    assert "used already" in answer.text
    assert not is_signed_in(second)


@pytest.mark.parametrize("steps", [-2, -1, 1, 2])
def test_codes_of_other_moments_are_refused(app, admin, clock, phone, steps):
    client = app.test_client()
    half_way(client, admin)

    assert give(client, code_of(phone[0], clock, steps)).status_code == 422


@pytest.mark.parametrize("steps", [-1, 1])
def test_the_operator_may_allow_clocks_that_differ_a_little(app, runtime, admin, clock, phone, steps):
    runtime.config = dataclasses.replace(runtime.config, totp_window=1)
    client = app.test_client()
    clock.advance(60)
    half_way(client, admin)

    assert give(client, code_of(phone[0], clock, steps)).status_code == 303


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "0" * 40, "\x00" * 6, "-" * 6])
def test_what_is_no_code_is_refused(app, admin, phone, code):
    client = app.test_client()
    half_way(client, admin)

    assert give(client, code).status_code == 422


def test_guessing_codes_is_slowed_down_until_it_is_hopeless(app, admin, clock, phone):
    client = app.test_client()
    half_way(client, admin)
    wrong = f"{(int(code_of(phone[0], clock)) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert give(client, wrong).status_code == 422

    answer = give(client, code_of(phone[0], clock))

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    tries, begun = 5, clock.now()
    while (clock.now() - begun).total_seconds() < 86_400:
        half_way(client, admin)
        answer = give(client, "000000" if wrong == "000000" else wrong)
        if answer.status_code == 429:
            clock.advance(int(answer.headers["Retry-After"]))
        else:
            tries += 1
    assert tries < 150, "a day of guessing must not come near a million codes"


def test_the_time_between_password_and_code_is_limited(app, admin, clock, phone):
    client = app.test_client()
    half_way(client, admin)
    clock.advance(5 * MINUTE)

    answer = give(client, code_of(phone[0], clock))

    assert answer.location == "/login?next=/"
    assert not is_signed_in(client)


@pytest.mark.parametrize(
    "path", ["/", "/account", "/settings/integrations", "/account/second-step/add", "/confirm"]
)
def test_the_password_alone_opens_nothing(app, admin, phone, path):
    client = app.test_client()
    half_way(client, admin)

    assert client.get(path).location.startswith("/login")


def test_the_code_page_without_the_password_leads_back(client, admin, phone):
    assert client.get("/login/code").location == "/login?next=/"


def test_a_new_password_ends_what_began_with_the_old_one(app, admin, admin_client, clock, phone):
    client = app.test_client()
    half_way(client, admin)
    new = {"current": PASSWORD, "password": "gravel sonnet tundra kite"}
    assert admin_client.post("/account/password", data=new).status_code == 303

    assert give(client, code_of(phone[0], clock)).location == "/login?next=/"


def test_a_recovery_code_opens_once(app, admin, phone, runtime):
    codes = phone[1]
    assert len(set(codes)) == 10
    first, second = app.test_client(), app.test_client()
    half_way(first, admin)
    half_way(second, admin)

    assert give(first, codes[3].upper().replace("-", " ")).status_code == 303
    assert give(second, codes[3]).status_code == 422
    assert "9 recovery codes" in first.get("/account").text
    with runtime.sessions() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.action == "mfa.recovery")).one()


def test_new_recovery_codes_end_the_old_ones(app, admin, admin_client, phone):
    answer = admin_client.post("/account/second-step/codes")
    assert answer.status_code == 200
    assert phone[1][0] not in answer.text
    client = app.test_client()
    half_way(client, admin)

    assert give(client, phone[1][0]).status_code == 422


def test_another_phone_ends_the_one_before(app, admin, admin_client, clock, phone, runtime):
    new, _ = enrol(admin_client, clock)
    clock.advance(30)
    client = app.test_client()
    half_way(client, admin)

    assert give(client, code_of(phone[0], clock)).status_code == 422
    assert give(client, code_of(new, clock)).status_code == 303
    with runtime.sessions() as session:
        assert len(session.scalars(select(Secret).where(Secret.owner_type == "user")).all()) == 1


def test_setting_it_up_signs_other_browsers_out(app, admin, admin_client, clock):
    other = sign_in(app.test_client(), admin)

    enrol(admin_client, clock)

    assert is_signed_in(admin_client)
    assert not is_signed_in(other)


def test_it_can_be_removed_where_it_is_not_required(app, admin, admin_client, phone, runtime):
    assert admin_client.post("/account/second-step/remove").status_code == 303

    assert half_way(app.test_client(), admin).location == "/"
    with runtime.sessions() as session:
        assert session.scalars(select(SecondFactor)).all() == []
        assert session.scalars(select(RecoveryCode)).all() == []
        assert session.scalars(select(Secret).where(Secret.owner_type == "user")).all() == []


def test_neither_seed_nor_codes_are_readable_in_the_database(runtime, phone):
    seed, codes = phone
    with runtime.engine.connect() as connection:
        rows = [
            str(tuple(row))
            for table in ("second_factors", "recovery_codes", "secrets", "audit_entries", "user_sessions")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    everything = "\n".join(rows)

    assert seed not in everything
    assert not any(code in everything or code.replace("-", "") in everything for code in codes)


def test_recovery_codes_still_work_while_the_keys_are_away(app, admin, clock, phone, runtime):
    (runtime.config.data_dir / "patchbay.key").unlink()
    runtime.vault.prepare()
    client = app.test_client()
    half_way(client, admin)

    assert give(client, code_of(phone[0], clock)).status_code == 422
    assert give(client, phone[1][0]).status_code == 303


class TestRequired:
    """The operator left the requirement on."""

    @pytest.fixture
    def config(self, config):
        return dataclasses.replace(config, require_mfa=True)

    @pytest.mark.parametrize("role", ["admin", "owner"])
    def test_whoever_may_change_secrets_sets_it_up_first(self, app, client, clock, role):
        sign_in(client, make_user(app, role))

        for path in ("/", "/settings/integrations", "/logs", "/account", "/settings/users"):
            assert client.get(path).location.startswith("/account/second-step"), path
        assert client.post("/account/password").location.startswith("/account/second-step")
        answer = client.get("/settings/integrations?q=mail")
        page = client.get(answer.location, follow_redirects=True)
        assert "password alone is not enough" in page.text

        enrol(client, clock)

        assert client.get("/settings/integrations").status_code == 200

    @pytest.mark.parametrize("role", ["member", "viewer", "operator"])
    def test_others_may_do_without(self, app, client, role):
        sign_in(client, make_user(app, role))

        assert client.get("/account").status_code == 200

    def test_every_other_route_is_shut_until_then(self, app, client):
        sign_in(client, make_user(app, Role.OWNER))
        open_before = {
            "second_factor.index",
            "second_factor.add",
            "passkeys.add",
            "passkeys.confirm",
            "auth.logout",
            "step_up.confirm",
        }
        adapter = app.url_map.bind("localhost")
        from tests.people import values_for
        from webapp.web.access import PUBLIC, declared_access

        for rule in app.url_map.iter_rules():
            mark = declared_access(app.view_functions[rule.endpoint])
            if mark in (None, PUBLIC) or rule.endpoint in open_before:
                continue
            for method in rule.methods & {"GET", "POST"}:
                address = adapter.build(rule.endpoint, values_for(rule), method=method)
                answer = client.open(address, method=method)
                assert answer.status_code == 303, (address, answer.status_code)
                assert answer.location.startswith("/account/second-step"), address

    def test_htmx_is_led_there_as_a_whole(self, app, client):
        sign_in(client, make_user(app, Role.OWNER))
        answer = client.get("/settings/integrations", headers={"HX-Request": "true"})

        assert (answer.status_code, answer.text) == (401, "")
        assert answer.headers["HX-Redirect"].startswith("/account/second-step")

    def test_it_cannot_be_removed(self, app, client, clock):
        sign_in(client, make_user(app, Role.OWNER))
        enrol(client, clock)

        assert client.post("/account/second-step/remove").status_code == 403

    def test_one_may_still_sign_out(self, app, client):
        sign_in(client, make_user(app, Role.OWNER))

        assert client.post("/logout").location == "/login"


def test_sessions_say_how_their_person_came_in(app, admin, clock, phone, runtime):
    client = app.test_client()
    half_way(client, admin)
    give(client, code_of(phone[0], clock))

    with runtime.sessions() as session:
        methods = {row.method for row in session.scalars(select(UserSession))}
    assert methods == {"password", "totp"}
