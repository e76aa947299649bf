"""The pages: one blueprint per area, and what all templates share."""

from __future__ import annotations

import importlib
from functools import cache

from flask import Flask, request, url_for
from markupsafe import Markup

from webapp.web import access, assets, charts, errors, handover, i18n, macros, nav, security, states
from webapp.web.assets import SOURCES
from webapp.web.hx import csp_nonce, htmx, hx
from webapp.web.link_flow import redirect_uri

# Each module offers `blueprint`; the style guide only exists in debug.
AREAS = (
    "setup",
    "auth",
    "staff",
    "home",
    "preferences",
    "account",
    "my_sessions",
    "link_flow",
    "my",
    "link_admin",
    "service_links",
    "second_factor",
    "passkeys",
    "step_up",
    "join",
    "users",
    "tokens",
    "audit",
    "settings",
    "finder",
    "system",
    "retention",
    "overview",
    "catalog",
    "testing",
    "switching",
    "breaker",
    "integrations",
    "revisions",
    "staging",
    "expirations",
    "files",
    "health",
    "maintenance",
    "alerts",
    "badges",
    "prometheus",
    "status",
    "routes",
    "drills",
    "log_views",
    "log_export",
    "log_replay",
    "logs",
    "problems",
    "reconcile",
)


def register(app: Flask) -> None:
    """Install the pages in an application."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for part in (access, security, errors, i18n, macros, assets, handover):
        part.register(app)
    htmx.init_app(app)
    app.jinja_env.globals.update(
        charts=charts,
        csp_nonce=csp_nonce,
        hx=hx,
        link_redirect=redirect_uri,
        places=nav.places,
        sprite=sprite,
        stage_label=states.stage_label,
        state_of=states.state_of,
        theme=theme,
        density=density,
        letters=letters,
        url_with=url_with,
    )
    for area in (*AREAS, "styleguide") if app.debug else AREAS:
        app.register_blueprint(importlib.import_module(f"webapp.web.{area}").blueprint)


@cache
def sprite() -> Markup:
    """All icons, to stand once in each page; our own file, so its markup is trusted."""
    return Markup((SOURCES / "icons.svg").read_text(encoding="utf-8"))  # noqa: S704


def theme() -> str:
    """The colours this browser wants: `auto`, `light` or `dark`."""
    chosen = request.cookies.get("theme", "auto")
    return chosen if chosen in {"light", "dark"} else "auto"


def density() -> str:
    """The height of rows: `comfortable` or `compact`."""
    return "compact" if request.cookies.get("density") == "compact" else "comfortable"


def letters() -> str:
    """Whether single letters are shortcuts: `on` or `off`, for those who speak or press keys by accident."""
    return "off" if request.cookies.get("letters") == "off" else "on"


def url_with(**changes: object) -> str:
    """The address of this page with some arguments of its query changed; None takes one out."""
    arguments = {**request.args.to_dict(flat=False), **changes}
    foreign = {
        name for name in arguments if name == "endpoint" or name.startswith("_")
    }  # url_for's own words
    kept = {
        name: value
        for name, value in arguments.items()
        if value not in (None, "", []) and name not in foreign
    }
    return url_for(request.endpoint or "home.index", **{**(request.view_args or {}), **kept})
