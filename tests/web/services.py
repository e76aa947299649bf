"""Services for tests of the pages: as the registry stores them, and as a form sends them."""

from __future__ import annotations

import re
from html import unescape

from webapp.registry import services
from webapp.sandbox import credentials

URL = "/settings/integrations"
SENDGRID = "EMAIL_PROVIDER_SENDGRID"
SECRET = "SG.a-secret-that-must-never-come-back-x9Qz"

COMMON = {
    "name": "Mail",
    "description": "",
    "timeout": "10",
    "attempts": "3",
    "first_wait": "0.2",
    "longest_wait": "5",
    "rate": "",
    "burst": "",
    "quota_day": "",
    "quota_cost": "",
    "price": "",
    "health_interval": "60",
    "health_endpoint": "",
}
SETTINGS = {
    "api_key": SECRET,
    "from_email": "no-reply@example.com",
    "from_name": "",
    "region": "global",
    "base_url": "",
}


def form(*, revision="", without=(), **changes):
    """What the browser sends for a SendGrid service; settings go by their own names here."""
    settings = SETTINGS | {name: value for name, value in changes.items() if name in SETTINGS}
    common = COMMON | {name: value for name, value in changes.items() if name in COMMON}
    data = (
        common | {f"config-{name}": value for name, value in settings.items()} | {"revision": str(revision)}
    )
    return {name: value for name, value in data.items() if name.removeprefix("config-") not in without}


def add(runtime, name="Mail", **changes):
    """Store a SendGrid service and answer its id."""
    changes = {
        "service_type": SENDGRID,
        "configurations": {"api_key": SECRET, "from_email": "a@example.com"},
    } | changes
    with runtime.sessions() as session:
        service = services.create(
            session, runtime, name=name, actor="lin@example.com", origin="cli", **changes
        )
        session.commit()
        return service.service_id


def add_at(runtime, address, name="Mail", key=credentials.SENDGRID_API_KEY, **changes):
    """Store a SendGrid service that speaks to the sandbox."""
    configurations = {"api_key": key, "from_email": "no-reply@example.com", "base_url": address}
    return add(runtime, name, configurations=configurations, **changes)


def stored(runtime, service_id):
    """The service as it is now."""
    with runtime.sessions() as session:
        return services.find(session, service_id)


def words(answer):
    """The text of a page, tags and repeated spaces taken out."""
    body = re.sub(
        r"(?s)<svg class=\"sprite\".*?</svg>|<script.*?</script>", "", answer.get_data(as_text=True)
    )
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))
