"""What ends: secrets and certificates of every service, with what breaks then."""

from __future__ import annotations

from flask import Blueprint, Response, url_for

from adapters.kit import FieldSpec, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.registry import expiry
from webapp.registry.expiry import Ending
from webapp.registry.reminders import standing
from webapp.web.access import may, requires
from webapp.web.comparison import label_of
from webapp.web.i18n import say
from webapp.web.page import page

blueprint = Blueprint("expirations", __name__, url_prefix="/settings/expirations")
STATES = {"expired": "expired", "soon": "ends-soon", "later": "ends-later"}
KINDS = {
    "next": N_("%(name)s, the next value"),
    "server": N_("Certificate of its server"),
    "token": N_("API token"),
    "link": N_("First linked account to sign in again"),
}
PLACES = {"setting": "integrations.edit", "server": "integrations.health", "link": "service_links.show"}


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """What ends first first, above it the reminders that stand."""
    now = runtime().clock.now()
    found = [one for one in expiry.endings(db.session(), now) if one.service_id or may(Verb.TOKEN_MANAGE)]
    by_subject = {one.subject: one for one in found}
    reminders = [(row, by_subject[row.subject]) for row in standing(db.session(), found)]
    return page(
        "expirations/index.html",
        endings=found,
        reminders=reminders,
        behind=expiry.dependents(db.session(), runtime(), found),
        now=now,
        what=what,
        look=lambda one: STATES[one.state(now)],
        place=place,
        nothing=expiry.NOTHING,
    )


def what(one: Ending) -> str:
    """What ends, by the label of its setting."""
    specs = _specs(one.service_type)
    name = label_of(one.field, specs) if one.field else ""
    return say(KINDS[one.kind]) % {"name": name} if one.kind in KINDS else name


def place(one: Ending) -> str:
    """Where it can be replaced."""
    if one.kind == "token":
        return url_for("tokens.index")
    return url_for(PLACES.get(one.kind, "staging.index"), service_id=one.service_id)


def _specs(service_type: str) -> dict[str, FieldSpec]:
    entry = runtime().catalog.get(service_type)
    return {spec.name: spec for spec in entry.adapter.Config.specs()} if entry and entry.adapter else {}
