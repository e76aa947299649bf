"""Every component in every state on one page; only in debug. The browser tests look at it first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
    URLField,
)
from wtforms.fields import SelectChoice

from adapters.kit import Message
from webapp.web.access import public
from webapp.web.charts import Bucket, Histogram
from webapp.web.page import page
from webapp.web.states import STATES

blueprint = Blueprint("styleguide", __name__)

# The words of samples are not translated: they stand for data, which is not ours to translate.
HOUR_TONES = ("ok",) * 9 + ("warn", "ok", "bad", "bad", "warn") + ("ok",) * 6 + ("none", "ok", "ok", "ok")


@dataclass(frozen=True, slots=True)
class SampleStage:
    """What a stage of a connection test looks like to the macro."""

    name: str
    status: str
    message: Message
    duration_ms: int = 0
    remedy: Message | None = None
    code: str | None = None
    field: str | None = None


STAGES = (
    SampleStage("settings", "ok", Message.of("12 settings are valid."), 1),
    SampleStage("dns", "ok", Message.of("smtp.example.com is 203.0.113.9."), 4),
    SampleStage("tcp", "ok", Message.of("Port 587 answers."), 21),
    SampleStage("tls", "warning", Message.of("The certificate ends in 6 days."), 38),
    SampleStage(
        "authentication",
        "failed",
        Message.of("The server refused the user name or the password."),
        112,
        Message.of("Create an app password at the provider and enter it here."),
        "VENDOR_AUTH_REJECTED",
        "password",
    ),
    SampleStage("sender", "skipped", Message.of("Needs a successful sign-in.")),
)


class SampleForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """One field of each kind."""

    name = StringField("Name", description="How people and logs call this service.")
    base_url = URLField("Base URL", description="HTTPS only; private networks are blocked by policy.")
    port = IntegerField("Port", description="587 with STARTTLS, 465 with TLS.")
    region = SelectField(
        "Region", choices=[SelectChoice("global", "Global"), SelectChoice("eu", "European Union")]
    )
    recipients = TextAreaField("Allowed recipients", description="One address a line.")
    sandbox = BooleanField(
        "Sandbox mode", description="The provider checks the message and does not deliver it."
    )
    api_key = PasswordField("API key", description="Write-only. Stored encrypted; nobody can read it back.")
    webhook_key = PasswordField("Webhook key")


@blueprint.get("/styleguide")
@public
def index() -> Response:
    """Show the components."""
    return page("styleguide/index.html", **samples(datetime.now(UTC)))


def samples(now: datetime) -> dict[str, Any]:
    """What the components are shown with."""
    buckets = [
        Bucket(
            now - timedelta(minutes=10 * (36 - index)),
            {"ok": 40 + index * 7 % 31, "warn": index % 4, "bad": index // 30 * 9},
        )
        for index in range(36)
    ]
    return {
        "form": _form(SampleForm(formdata=None, data={"name": "Mail", "port": 587, "sandbox": True})),
        "histogram": Histogram(buckets, timedelta(minutes=10)),
        "marks": HOUR_TONES,
        "now": now,
        "replacing": request.args.get("replace"),
        "stages": STAGES,
        "states": STATES,
        "stored": {
            "set_at": now - timedelta(days=12),
            "set_by": "lin@example.com",
            "hint": "…x9Qz",
            "expires_at": None,
            "unreadable": False,
        },
        "times": [now - timedelta(minutes=3), now - timedelta(hours=5), now - timedelta(days=40)],
        "values": [180 + index * 37 % 90 for index in range(48)],
    }


def _form(form: SampleForm) -> SampleForm:
    """Refuse one field, so that an error can be looked at."""
    form.base_url.errors = ["Enter an address that begins with https://."]
    return form
