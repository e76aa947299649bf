"""The form of a service: derived from its adapter, silent about secrets, honest about what was refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from adapters.kit import Message, Settings, secret, setting
from webapp.models.secret import Secret
from webapp.models.service import Service
from webapp.registry.errors import Flaw
from webapp.web import common_fields
from webapp.web.service_form import ServiceForm


class Config(Settings):
    key: SecretStr = secret("Key", show_last4=True)
    spare: SecretStr | None = secret("Spare key", default=None)
    host: str = setting("Host", group="endpoint", destination=True)
    port: int = setting("Port", group="endpoint", default=587)
    strict: bool = setting("Strict", default=True, group="advanced")
    tags: list[str] = setting("Tags", default=[])
    note: str = setting("Note", default="", multiline=True)


@pytest.fixture
def shown(app):
    """Build the form as a request would: `shown(data)` for a POST, `shown()` for a GET."""

    def build(data=None, **more):
        with app.test_request_context("/", method="POST" if data is not None else "GET", data=data):
            return ServiceForm(Config.specs(), **more)

    return build


@pytest.fixture
def service():
    return Service(
        service_name="Mail",
        configurations={"host": "mail.example.com", "port": 25, "strict": False, "tags": ["a", "b"]},
        default_timeout_ms=1500,
        retry_policy={"max_attempts": 2, "base_ms": 200, "max_ms": 5000},
        rate_limit={"per_second": 2.5, "burst": 5},
        health_interval_s=60,
        revision=7,
    )


@pytest.fixture
def secrets():
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return {
        "key": Secret(hint="x9Qz", created_at=now, created_by="lin@example.com", ct="sealed", field="key")
    }


def test_fields_stand_in_the_groups_the_adapter_names(shown):
    sections = {section.name: [row.field.label.text for row in section.rows] for section in shown().sections}

    assert list(sections) == ["basics", "credentials", "endpoint", "reliability", "advanced"]
    assert sections["credentials"] == ["Key", "Spare key"]
    assert sections["endpoint"] == ["Host", "Port"]
    assert (sections["advanced"][0], sections["advanced"][-1]) == ("Health check address", "Strict")


def test_a_stored_service_fills_its_form_in_the_units_of_people(shown, service):
    data = shown(service=service).form.data

    assert (data["timeout"], data["first_wait"], data["rate"], data["burst"]) == ("1.5", "0.2", "2.5", "5")
    assert (data["config-host"], data["config-port"], data["config-tags"]) == (
        "mail.example.com",
        "25",
        "a\nb",
    )
    assert data["config-strict"] is False
    assert data["revision"] == "7"


def test_times_go_back_as_milliseconds_and_empty_fields_as_nothing(shown):
    values = shown(
        {
            "name": " Mail ",
            "timeout": "1.5",
            "attempts": "2",
            "first_wait": "0,25",
            "longest_wait": "",
            "rate": "",
        }
    ).values()

    assert values["service_name"] == "Mail"
    assert values["default_timeout_ms"] == 1500
    assert values["retry_policy"] == {"max_attempts": "2", "base_ms": 250, "max_ms": None}
    assert values["rate_limit"] is None
    assert common_fields.only_given(values)["retry_policy"] == {"max_attempts": "2", "base_ms": 250}


@pytest.mark.parametrize("text", ["soon", "nan", "inf", "1e400", "--1", "١٢"])
def test_what_is_no_time_is_left_for_the_registry_to_refuse(shown, text):
    value = shown({"timeout": text}).values()["default_timeout_ms"]

    assert value == text or isinstance(value, int)


def test_an_empty_secret_is_absent_and_a_typed_one_is_kept_as_typed(shown):
    assert "key" not in shown({"config-key": ""}).values()["configurations"]
    assert shown({"config-key": " a b "}).values()["configurations"]["key"] == " a b "


def test_lists_come_one_entry_a_line_and_a_cleared_switch_is_off(shown):
    values = shown({"config-tags": " one \r\n\r\ntwo", "config-note": "a\r\nb"}).values()["configurations"]

    assert values["tags"] == ["one", "two"]
    assert values["note"] == "a\nb"
    assert values["strict"] is False


def test_only_secrets_the_adapter_knows_can_be_ticked_for_removal(shown):
    assert shown({"clear": ["config-spare", "config-nobody"]}).clear == {"spare"}


def test_a_stored_secret_is_closed_until_somebody_wants_to_replace_it(shown, service, secrets):
    closed = shown(service=service, secrets=secrets).row("key")
    linked = shown(service=service, secrets=secrets, replacing=["key"]).row("key")
    posted = shown({"config-key": ""}, service=service, secrets=secrets).row("key")

    assert (closed.replacing, linked.replacing, posted.replacing) == (False, True, True)
    assert (closed.stored.hint, closed.stored.set_by) == ("…x9Qz", "lin@example.com")


def test_the_typed_secret_is_not_drawn_again(shown):
    form = shown({"config-key": "typed-secret", "config-host": "typed-host"})

    assert "typed-secret" not in form.form["config-key"]()
    assert "typed-host" in form.form["config-host"]()


def test_findings_stand_at_their_fields(shown, app):
    form = shown({"timeout": "0.5"})
    limit = Message.of("At least %(ge)s.", ge=1000)
    with app.test_request_context():
        form.refuse(
            [
                Flaw("/configurations/host", "missing", Message.of("Needed.")),
                Flaw("/configurations/tags/0", "type", Message.of("Not a tag.")),
                Flaw("/default_timeout_ms", "range", limit),
                Flaw("/service_type", "choice", Message.of("No such type.")),
            ]
        )

    assert ("f-host", "Host: Needed.") in form.errors
    assert ("f-tags", "Tags: Not a tag.") in form.errors
    assert ("timeout", "Give up on one try after: At least 1.") in form.errors
    assert ("", "No such type.") in form.errors


def test_a_moved_destination_is_named_by_its_label_and_opens_the_secret(shown, app, service, secrets):
    form = shown({}, service=service, secrets=secrets)
    with app.test_request_context():
        form.refuse(
            [Flaw("/configurations/key", "reenter_secret", Message.of("%(moved)s changed.", moved="host"))]
        )

    assert form.row("key").replacing
    assert form.errors == [("f-key", "Key: Host changed.")]


@pytest.mark.parametrize(
    ("timeout", "attempts", "sentence"),
    [
        ("10", "1", "With these values a call gets 1 try and fails after 10 seconds at the latest."),
        ("10", "3", "With these values a call gets up to 3 tries and fails after 31 seconds at the latest."),
        ("10", "0", None),
        ("10", "99", None),
        ("inf", "3", None),
        ("nan", "3", None),
        ("", "3", None),
        ("x", "3", None),
    ],
)
def test_the_outcome_of_timeout_and_retries_is_said_in_a_sentence(app, timeout, attempts, sentence):
    data = {"timeout": timeout, "attempts": attempts, "first_wait": "0.2", "longest_wait": "5"}
    with app.test_request_context():
        assert common_fields.outcome(data) == sentence


@pytest.mark.parametrize(
    ("text", "revision"), [("7", 7), ("", 0), ("x", 0), ("-1", 0), ("9" * 40, 0), ("²", 0)]
)
def test_a_tampered_revision_counts_as_stale(shown, text, revision):
    assert shown({"revision": text}).base_revision == revision
