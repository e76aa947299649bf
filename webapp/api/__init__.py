"""The JSON API under /integrations, and the probes."""

from __future__ import annotations

import importlib

from flask import Flask

from webapp.api import problems
from webapp.extensions import csrf, runtime

# Each module offers `blueprint`.
AREAS = (
    "types",
    "services",
    "switches",
    "breakers",
    "revisions",
    "secrets",
    "expirations",
    "configuration",
    "routes",
    "calls",
    "links",
    "explain",
    "reconcile",
    "metrics",
    "log_views",
    "logs",
    "health",
    "incidents",
    "maintenance",
    "alerts",
    "reference",
)


def register(app: Flask) -> None:
    """Install the API in an application."""
    with app.app_context():
        prefix = f"{runtime().config.api_prefix}/integrations"
    problems.register(app, prefix)
    for area in AREAS:
        blueprint = importlib.import_module(f"webapp.api.{area}").blueprint
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint, url_prefix=prefix)
    app.register_blueprint(importlib.import_module("webapp.api.probes").blueprint)
