"""Adding and changing a service in its form, without JavaScript, with good and with bad input."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from tests.web.services import SECRET, SENDGRID, URL, add, form, stored, words
from webapp.models.secret import Secret
from webapp.registry import services

NEW = f"{URL}/new/{SENDGRID}"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


def opened(runtime, service_id):
    """The secret that is stored, opened."""
    with runtime.sessions() as session:
        return runtime.vault.open(session, services.find(session, service_id).secrets["api_key"])


def all_services(runtime):
    with runtime.sessions() as session:
        return services.search(session, runtime, services.ServiceFilter()).items


def test_a_new_service_is_stored_disabled_and_names_the_next_step(admin_client, runtime):
    answer = admin_client.post(NEW, data=form(name="阿里云 mail", timeout="1.5", rate="2.5", burst="5"))
    service_id = answer.headers["Location"].rpartition("/")[2]
    service = stored(runtime, service_id)

    assert answer.status_code == 303
    assert (service.service_name, service.is_enabled, service.default_timeout_ms) == (
        "阿里云 mail",
        False,
        1500,
    )
    assert service.rate_limit == {"per_second": 2.5, "burst": 5}
    assert opened(runtime, service_id) == SECRET
    assert "Next: test the connection" in words(admin_client.get(answer.headers["Location"]))


def test_htmx_is_sent_on_instead_of_getting_the_page_into_its_form(admin_client):
    answer = admin_client.post(NEW, data=form(), headers=PARTIAL)

    assert answer.headers["HX-Redirect"].startswith(URL)
    assert not answer.get_data()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"name": ""}, "Name: "),
        ({"name": "x" * 121}, "Name: Use at most 120 characters."),
        ({"name": "two\nlines"}, "Name: "),
        ({"description": "x" * 2001}, "Description: Use at most 2000 characters."),
        ({"from_email": ""}, "From address: "),
        ({"from_email": "not an address"}, "From address: "),
        ({"from_email": "a@example.com\r\nBcc: b@example.com"}, "From address: "),
        ({"api_key": ""}, "API key: "),
        ({"api_key": "••••••••"}, "API key: This is a mask, not a secret"),
        ({"api_key": "k" * 9000}, "API key: "),
        ({"region": "mars"}, "Data region: "),
        ({"base_url": "ftp://example.com"}, "Base address: "),
        ({"timeout": "soon"}, "Give up on one try after: Enter a number of seconds."),
        ({"timeout": "0.5"}, "Give up on one try after: Use a number not smaller than 1."),
        ({"timeout": "121"}, "Give up on one try after: Use a number not greater than 120."),
        ({"timeout": "nan"}, "Give up on one try after: "),
        ({"attempts": "2.5"}, "Tries in all: "),
        ({"attempts": "6"}, "Tries in all: Use a number not greater than 5."),
        ({"first_wait": "6"}, "The longest wait cannot be shorter than the first."),
        ({"rate": "5"}, "Calls that may start at once: "),
        ({"rate": "-1", "burst": "1"}, "Rate limit: "),
        ({"health_interval": "1"}, "Check the connection every: Use a number not smaller than 10."),
        ({"health_endpoint": "no address"}, "Health check address: "),
    ],
)
def test_bad_input_is_named_at_its_field_and_nothing_is_stored(admin_client, runtime, change, finding):
    answer = admin_client.post(NEW, data=form(**change))
    page = words(answer)

    assert answer.status_code == 422
    assert finding in page
    assert "There is a problem" in page or "problems" in page
    assert "<title>Error:" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert not all_services(runtime)


def test_every_finding_is_told_at_once(admin_client):
    page = words(admin_client.post(NEW, data={"name": ""}))

    for label in ("Name", "API key", "From address"):
        assert f"{label}: " in page


def test_a_refused_form_keeps_what_was_typed_but_never_the_secret(admin_client):
    answer = admin_client.post(NEW, data=form(name="", from_name="Typed name"), headers=PARTIAL)

    assert answer.status_code == 422
    assert "Typed name" in answer.text
    assert SECRET not in answer.text
    assert answer.text.strip().startswith('<div id="service-form-area"')


def test_a_name_can_be_used_once(admin_client, runtime):
    add(runtime, "Mail")
    answer = admin_client.post(NEW, data=form(name="  mAiL "))

    assert answer.status_code == 422
    assert "Name: There is already a service called mAiL." in words(answer)
    assert len(all_services(runtime)) == 1


def test_an_adapter_nobody_has_is_not_found(admin_client):
    assert admin_client.get(f"{URL}/new/EMAIL_PROVIDER_NOBODY").status_code == 404
    assert admin_client.post(f"{URL}/new/EMAIL_PROVIDER_NOBODY", data=form()).status_code == 404


def test_members_that_do_not_exist_change_nothing(admin_client, runtime):
    data = form() | {"is_enabled": "1", "config-unknown": "x", "service_type": "SMS_PROVIDER_TWILIO"}
    answer = admin_client.post(NEW, data=data)

    assert answer.status_code == 422
    assert "is_enabled" not in answer.headers.get("Location", "")


def test_an_empty_secret_keeps_and_a_typed_one_replaces(admin_client, runtime):
    service_id = add(runtime)
    edit = f"{URL}/{service_id}/edit"

    assert (
        admin_client.post(edit, data=form(revision=1, without=["api_key"], description="a")).status_code
        == 303
    )
    assert opened(runtime, service_id) == SECRET
    assert admin_client.post(edit, data=form(revision=2, api_key="", description="b")).status_code == 303
    assert opened(runtime, service_id) == SECRET
    assert admin_client.post(edit, data=form(revision=3, api_key="SG.the-new-one-0000")).status_code == 303
    assert opened(runtime, service_id) == "SG.the-new-one-0000"


def test_the_replace_link_opens_the_input_without_javascript(admin_client, runtime):
    edit = f"{URL}/{add(runtime)}/edit"
    closed, open_ = admin_client.get(edit).text, admin_client.get(f"{edit}?replace=api_key").text

    assert f"{edit}?replace=api_key" in closed
    assert "Configured" in words(admin_client.get(edit))
    assert " disabled" in field_of(closed)
    assert " disabled" not in field_of(open_)
    assert "…x9Qz" in closed


def field_of(page):
    """The tag of the secret's input."""
    start = page.index('id="f-api_key"')
    return page[page.rindex("<", 0, start) : page.index(">", start)]


def test_an_optional_secret_can_be_removed_and_a_required_one_cannot(admin_client, runtime):
    smtp = {"host": "localhost", "username": "u", "password": "a-password", "from_address": "a@example.com"}
    service_id = add(runtime, service_type="EMAIL_PROVIDER_SMTP", configurations=smtp)
    data = {name: value for name, value in form(revision=1).items() if not name.startswith("config-")}
    data |= {
        "config-host": "localhost",
        "config-from_address": "a@example.com",
        "config-security": "starttls",
        "config-username": "",
    }
    answer = admin_client.post(f"{URL}/{service_id}/edit", data=data | {"clear": "config-password"})

    assert answer.status_code == 303, words(answer)
    assert stored(runtime, service_id).secrets == {}

    kept = add(runtime, "Other")
    refused = admin_client.post(
        f"{URL}/{kept}/edit",
        data=form(name="Other", revision=1, without=["api_key"]) | {"clear": "config-api_key"},
    )

    assert refused.status_code == 422
    assert opened(runtime, kept) == SECRET


def test_a_moved_destination_asks_for_the_secret_again(admin_client, runtime):
    service_id = add(runtime)
    moved = {"base_url": "https://elsewhere.example", "revision": 1}
    answer = admin_client.post(f"{URL}/{service_id}/edit", data=form(**moved, without=["api_key"]))

    assert answer.status_code == 422
    assert "API key: Base address was changed: enter this secret again" in words(answer)
    assert " disabled" not in field_of(answer.text)
    assert stored(runtime, service_id).revision == 1
    assert admin_client.post(f"{URL}/{service_id}/edit", data=form(**moved)).status_code == 303


def test_a_stale_form_shows_both_sides_and_loses_nothing(admin_client, runtime):
    service_id = add(runtime)
    edit = f"{URL}/{service_id}/edit"
    admin_client.post(edit, data=form(revision=1, description="Theirs", without=["api_key"]))
    answer = admin_client.post(edit, data=form(revision=1, description="Mine", without=["api_key"]))
    page = words(answer)

    assert answer.status_code == 409
    assert "Somebody else saved this service while you were editing" in page
    assert chosen(answer) == {"take-description": "yours"}
    assert "Stored now: Theirs" in page
    assert "Yours: Mine" in page
    assert stored(runtime, service_id).description == "Theirs"
    assert (
        admin_client.post(edit, data=form(revision=2, description="Mine", without=["api_key"])).status_code
        == 303
    )
    assert stored(runtime, service_id).description == "Mine"


def chosen(answer):
    """What is ticked for each field that differs."""
    ticked = re.findall(r'<input type="radio" name="([^"]+)" value="([^"]+)" checked>', answer.text)
    return dict(ticked)


def test_each_field_that_differs_is_chosen(admin_client, runtime):
    """They changed the description and the time limit, I the time limit and the wait."""
    service_id = add(runtime)
    edit = f"{URL}/{service_id}/edit"
    admin_client.post(edit, data=form(revision=1, description="Theirs", timeout="5", without=["api_key"]))
    mine = form(revision=1, timeout="7", longest_wait="9", without=["api_key"])
    answer = admin_client.post(edit, data=mine)
    assert answer.status_code == 409
    assert chosen(answer) == {
        "take-description": "theirs",
        "take-timeout": "yours",
        "take-longest_wait": "yours",
    }

    again = mine | chosen(answer) | {"revision": "2", "take-timeout": "theirs"}
    assert admin_client.post(edit, data=again).status_code == 303

    service = stored(runtime, service_id)
    assert (service.description, service.default_timeout_ms) == ("Theirs", 5000)
    assert service.retry_policy["max_ms"] == 9000


def test_a_secret_is_kept_or_replaced_and_never_shown(admin_client, runtime):
    service_id = add(runtime)
    edit = f"{URL}/{service_id}/edit"
    admin_client.post(edit, data=form(revision=1, api_key="SG.theirs-that-must-not-come-back"))
    theirs = stored(runtime, service_id).secrets["api_key"]
    mine = form(revision=1, api_key="SG.mine-that-must-not-come-back")
    answer = admin_client.post(edit, data=mine)

    assert (answer.status_code, chosen(answer)) == (409, {"take-config-api_key": "yours"})
    assert "must-not-come-back" not in answer.text
    empty = mine | chosen(answer) | {"revision": "2", "config-api_key": ""}
    refused = admin_client.post(edit, data=empty)
    assert refused.status_code == 422
    assert "Enter the new value, or keep what is stored." in words(refused)
    kept = mine | {"revision": "2", "take-config-api_key": "theirs", "description": "New"}
    assert admin_client.post(edit, data=kept).status_code == 303
    assert stored(runtime, service_id).secrets["api_key"] == theirs
    replaced = mine | {"revision": "3", "take-config-api_key": "yours"}
    assert admin_client.post(edit, data=replaced).status_code == 303
    assert stored(runtime, service_id).secrets["api_key"] != theirs


def test_a_secret_that_only_they_changed_is_kept_unless_i_say_otherwise(admin_client, runtime):
    service_id = add(runtime)
    edit = f"{URL}/{service_id}/edit"
    admin_client.post(edit, data=form(revision=1, api_key="SG.theirs-that-must-not-come-back"))

    answer = admin_client.post(edit, data=form(revision=1, description="Mine", without=["api_key"]))

    assert chosen(answer) == {"take-description": "yours", "take-config-api_key": "theirs"}


def test_a_choice_for_no_field_is_refused(admin_client, runtime):
    service_id = add(runtime)
    data = form(revision=1, without=["api_key"]) | {"take-nothing": "theirs"}

    assert admin_client.post(f"{URL}/{service_id}/edit", data=data).status_code == 422


@pytest.mark.parametrize("revision", ["", "0", "99", "x"])
def test_a_revision_that_is_not_the_stored_one_is_stale(admin_client, runtime, revision):
    service_id = add(runtime)

    assert admin_client.post(f"{URL}/{service_id}/edit", data=form(revision=revision)).status_code == 409


def test_saving_without_a_change_makes_no_revision(admin_client, runtime):
    service_id = add(runtime)
    page = admin_client.get(f"{URL}/{service_id}/edit").text

    assert 'name="revision" type="hidden" value="1"' in page
    data = form(revision=1, from_email="a@example.com", without=["api_key"])
    assert admin_client.post(f"{URL}/{service_id}/edit", data=data).status_code == 303
    assert stored(runtime, service_id).revision == 1


def test_locked_keys_are_told_and_nothing_is_stored(admin_client, runtime, monkeypatch):
    from webapp.vault import KeysLocked

    def locked(*_, **__):
        raise KeysLocked("missing_key", None)

    monkeypatch.setattr(runtime.vault, "seal", locked)
    answer = admin_client.post(NEW, data=form())

    assert answer.status_code == 422
    assert "the keys are not available" in words(answer)
    assert not all_services(runtime)


def test_a_secret_that_cannot_be_opened_asks_to_be_entered_again(admin_client, runtime):
    service_id = add(runtime)
    with runtime.sessions() as session:
        session.execute(update(Secret).values(ct="damaged"))
        session.commit()

    said = words(admin_client.get(f"{URL}/{service_id}/edit"))
    assert "cannot be read: enter it again" in said
    assert "Configured" not in said


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_write_sees_the_settings_locked(request, runtime, role):
    client = request.getfixturevalue(f"{role}_client")
    service_id = add(runtime)
    page = client.get(f"{URL}/{service_id}/edit")

    assert "Changing them is for administrators." in words(page)
    assert "<fieldset disabled" in page.text
    assert client.post(f"{URL}/{service_id}/edit", data=form(revision=1)).status_code == 403
    assert client.get(NEW).status_code == 403
    assert client.post(NEW, data=form()).status_code == 403


def test_every_adapter_has_a_form(admin_client, runtime):
    for entry in runtime.catalog.entries():
        answer = admin_client.get(f"{URL}/new/{entry.service_type}")

        assert answer.status_code == 200
        for spec in entry.adapter.Config.specs():
            assert f'name="config-{spec.name}"' in answer.text


def test_the_safety_of_the_record_and_the_cap_are_set_here(admin_client, runtime):
    service_id = add(runtime, durability="disk", quotas={"calls": {"hour": 7}})
    edit = f"{URL}/{service_id}/edit"
    assert re.search(r'value="disk"[^>]*selected|selected[^>]*value="disk"', admin_client.get(edit).text)

    changes = {"durability": "database", "at_once": "20"}
    assert admin_client.post(edit, data=form(revision=1, without=["api_key"]) | changes).status_code == 303
    service = stored(runtime, service_id)
    assert (service.durability, service.quotas["at_once"], service.quotas["calls"]["hour"]) == (
        "database",
        20,
        7,
    )

    wrong = {"durability": "wishes", "at_once": "0"}
    refused = admin_client.post(edit, data=form(revision=2, without=["api_key"]) | wrong)
    assert refused.status_code == 422
    assert "Safety of the call record: " in words(refused)
    assert "all processes together: " in words(refused)
