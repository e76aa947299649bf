"""Drafts: keep, replace, clear, and what a form means by nothing."""

from __future__ import annotations

import pytest

from webapp.registry.drafts import Draft
from webapp.vault import Reference


@pytest.fixture
def entry(runtime):
    return runtime.catalog.get("EMAIL_PROVIDER_SENDGRID")


@pytest.fixture
def shop(runtime):
    return runtime.catalog.get("HTTP_PROVIDER_GENERIC")


def flaws(draft):
    return {(flaw.pointer, flaw.code) for flaw in draft.errors}


def test_an_empty_secret_in_a_form_keeps_the_stored_one(service, entry, session, runtime):
    draft = Draft.for_change(service, entry, {"api_key": "", "from_email": "b@example.com"}, mode="form")

    assert draft.errors == ()
    assert draft.kept == service.secrets
    assert draft.config(session, runtime.vault).api_key.get_secret_value() == "SG.first-secret-value"


def test_an_empty_setting_in_a_form_goes_back_to_the_default(add, entry):
    service = add(settings={"from_name": "Shop"})
    draft = Draft.for_change(service, entry, {"from_email": "a@example.com", "from_name": ""}, mode="form")

    assert draft.errors == ()
    assert "from_name" not in draft.plain


def test_a_form_names_what_it_clears(service, entry):
    draft = Draft.for_change(service, entry, {"from_email": "a@example.com"}, mode="form", clear=["api_key"])

    assert draft.cleared == {"api_key"}
    assert flaws(draft) == {("/configurations/api_key", "missing")}


def test_a_replacement_wins_over_clearing(service, entry):
    values = {"from_email": "a@example.com", "api_key": "SG.new"}
    draft = Draft.for_change(service, entry, values, mode="form", clear=["api_key"])

    assert draft.errors == ()
    assert (draft.replaced, draft.cleared) == ({"api_key": "SG.new"}, frozenset())


def test_a_form_sends_numbers_and_switches_as_text(entry):
    values = {"api_key": "SG.x", "from_email": "a@example.com", "sandbox": "true"}

    assert Draft.for_new(entry, values, mode="form").plain["sandbox"] is True


def test_settings_carry_the_defaults_of_their_time(service):
    assert service.configurations == {"from_email": "a@example.com", "region": "global", "sandbox": False}


def test_a_draft_does_not_print_its_secrets(entry):
    draft = Draft.for_new(entry, {"api_key": "SG.very-secret", "from_email": "nobody"})

    assert "very-secret" not in repr(draft)
    assert "very-secret" not in str(draft.errors)


@pytest.mark.parametrize("mode", ["put", "patch", "form"])
def test_moving_demands_every_stored_secret_again(service, entry, mode):
    values = {"from_email": "a@example.com", "base_url": "https://elsewhere.example"}
    draft = Draft.for_change(service, entry, values, mode=mode)

    assert flaws(draft) == {("/configurations/api_key", "reenter_secret")}
    assert draft.errors[0].message.values["moved"] == "base_url"


def test_moving_without_stored_secrets_is_free(shop):
    draft = Draft.for_new(shop, {"base_url": "https://a.example"})

    assert draft.errors == ()


def test_a_reference_stands_for_its_secret(entry):
    draft = Draft.for_new(
        entry, {"api_key": {"$ref": "env:PATCHBAY_SECRET_A"}, "from_email": "a@example.com"}
    )

    assert draft.errors == ()
    assert draft.replaced == {"api_key": Reference.parse("env:PATCHBAY_SECRET_A")}


@pytest.mark.parametrize(
    "given", [{"$ref": "env:KEY"}, {"$ref": None}, {"$ref": "env:PATCHBAY_SECRET_A", "more": 1}]
)
def test_a_bad_reference_is_refused(entry, given):
    draft = Draft.for_new(entry, {"api_key": given, "from_email": "a@example.com"})

    assert flaws(draft) == {("/configurations/api_key", "bad_reference")}


def test_an_odd_name_is_escaped_in_its_pointer(entry):
    draft = Draft.for_new(entry, {"api_key": "SG.x", "from_email": "a@example.com", "a/b~c": 1})

    assert flaws(draft) == {("/configurations/a~1b~0c", "unknown")}
