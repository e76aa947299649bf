"""Where one can go: the main navigation and the entries of System settings."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, request, url_for

from adapters.kit import N_
from webapp.accounts.roles import Verb
from webapp.web.access import may


@dataclass(frozen=True, slots=True)
class Place:
    """One entry; `key` is pressed after `g`, `verb` is the right that is needed to see it, if any."""

    endpoint: str
    label: str
    icon: str
    verb: Verb | None
    key: str = ""
    lead: str = ""

    @property
    def url(self) -> str:
        """Its address."""
        return url_for(self.endpoint)

    @property
    def current(self) -> bool:
        """True on the page itself and on every page of its area."""
        area = self.endpoint.rpartition(".")[0]
        return request.blueprint == area or (request.blueprint, area) in _BELONGS


# Areas that have no entry of their own and light up another's.
_BELONGS = {
    ("catalog", "integrations"),
    ("testing", "integrations"),
    ("switching", "integrations"),
    ("breaker", "integrations"),
    ("revisions", "integrations"),
    ("staging", "integrations"),
    ("drills", "routes"),
    ("expirations", "settings"),
    ("files", "settings"),
    ("users", "settings"),
    ("tokens", "settings"),
    ("audit", "settings"),
    ("reconcile", "settings"),
    ("retention", "settings"),
    ("maintenance", "health"),
    ("alerts", "settings"),
    ("problems", "settings"),
    ("log_views", "logs"),
    ("log_export", "logs"),
    ("log_replay", "logs"),
    ("link_admin", "settings"),
    ("service_links", "integrations"),
    ("link_flow", "my"),
    ("passkeys", "account"),
    ("second_factor", "account"),
}

PLACES = (
    Place("overview.index", N_("Overview"), "bars", key="o", verb=Verb.LOG_READ),
    Place("integrations.index", N_("Integrations"), "plug", key="i", verb=Verb.SERVICE_READ),
    Place("health.index", N_("Health"), "pulse", key="h", verb=Verb.SERVICE_READ),
    Place("logs.index", N_("Call logs"), "list", key="l", verb=Verb.LOG_READ),
    Place("routes.index", N_("Routes"), "route", key="r", verb=Verb.SERVICE_READ),
    Place("settings.index", N_("System settings"), "gear", key="s", verb=Verb.SERVICE_READ),
)

# All that people see who only have accounts of their own; the others find it in their menu.
OWN = (
    Place("my.index", N_("Linked accounts"), "plug", verb=None),
    Place("account.index", N_("My account"), "lock", verb=None),
)

SETTINGS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        N_("Services"),
        (
            Place(
                "integrations.index",
                N_("Integrations"),
                "plug",
                lead=N_("The external services this platform depends on: configure, test, enable, watch."),
                verb=Verb.SERVICE_READ,
            ),
            Place(
                "catalog.index",
                N_("Catalogue"),
                "plus",
                lead=N_("The providers that can be added, and what each of them needs."),
                verb=Verb.SERVICE_WRITE,
            ),
            Place(
                "alerts.index",
                N_("Alerts"),
                "bell",
                lead=N_("Who is told when a service breaks, by which way, and whether it arrived."),
                verb=Verb.SYSTEM_READ,
            ),
            Place(
                "routes.index",
                N_("Routes"),
                "route",
                lead=N_("Which service is tried first, and which one takes over."),
                verb=Verb.SERVICE_READ,
            ),
            Place(
                "expirations.index",
                N_("Expirations"),
                "clock",
                lead=N_("Secrets and certificates that end, when, and what breaks then."),
                verb=Verb.SERVICE_READ,
            ),
            Place(
                "files.index",
                N_("Files"),
                "code",
                lead=N_("Services and routes as YAML, to keep in a repository or to take along."),
                verb=Verb.SERVICE_WRITE,
            ),
        ),
    ),
    (
        N_("Use"),
        (
            Place(
                "logs.index",
                N_("Call logs"),
                "list",
                lead=N_("Every call to an external service, with its attempts and its outcome."),
                verb=Verb.LOG_READ,
            ),
            Place(
                "reconcile.index",
                N_("Reconcile"),
                "question",
                lead=N_("Calls that may have been done or not, until the service or a person says which."),
                verb=Verb.LOG_READ,
            ),
            Place(
                "problems.index",
                N_("Error codes"),
                "info",
                lead=N_("Every way in which a call can end badly: what it means and what to do."),
                verb=Verb.LOG_READ,
            ),
            Place(
                "api_reference.docs",
                N_("API reference"),
                "code",
                lead=N_("Everything pages can do, for programs: resources, operations and their input."),
                verb=Verb.SERVICE_READ,
            ),
        ),
    ),
    (
        N_("People and access"),
        (
            Place(
                "users.index",
                N_("People"),
                "people",
                lead=N_("Who may sign in, and what they may do."),
                verb=Verb.USER_MANAGE,
            ),
            Place(
                "link_admin.index",
                N_("Linked accounts"),
                "plug",
                lead=N_(
                    "How many people linked an account of theirs, what fails, and asking them to sign in again."
                ),
                verb=Verb.SERVICE_READ,
            ),
            Place(
                "tokens.index",
                N_("API tokens"),
                "key",
                lead=N_("What programs may do through the API, how long and from where."),
                verb=Verb.TOKEN_MANAGE,
            ),
            Place(
                "audit.index",
                N_("Audit"),
                "ledger",
                lead=N_("Who changed what, and when; nothing can be taken out unseen."),
                verb=Verb.AUDIT_READ,
            ),
            Place(
                "system.index",
                N_("System"),
                "lock",
                lead=N_("The keys that protect secrets: what depends on each, and how to replace them."),
                verb=Verb.SYSTEM_READ,
            ),
            Place(
                "retention.index",
                N_("Retention"),
                "clock",
                lead=N_("How long calls are kept, how large the log is, and what a change would free."),
                verb=Verb.SYSTEM_READ,
            ),
        ),
    ),
)


def places() -> list[Place]:
    """The entries of the main navigation that exist here and that this user may open."""
    return [place for place in PLACES if _open(place)] or list(OWN)


def settings_places() -> list[tuple[str, list[Place]]]:
    """The entries of the System settings page that this user may open, by area."""
    areas = [(title, [place for place in entries if _open(place)]) for title, entries in SETTINGS]
    return [(title, entries) for title, entries in areas if entries]


def _open(place: Place) -> bool:
    return place.endpoint in current_app.view_functions and (place.verb is None or may(place.verb))
