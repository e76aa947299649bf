"""Probes for whatever keeps the process running: open to everyone, and telling nothing but yes or no."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from webapp.db import is_migrated
from webapp.extensions import runtime

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return _answer({"process": True})


@blueprint.get("/readyz")
def readyz() -> Response:
    """The database answers with the newest schema, and the keys are available."""
    try:
        migrated = is_migrated(runtime().engine)
    except SQLAlchemyError:
        return _answer({"database": False})
    return _answer({"database": True, "migrated": migrated, "keys": not runtime().vault.state().locked})


def _answer(checks: dict[str, bool]) -> Response:
    good = all(checks.values())
    response = jsonify(status="ok" if good else "unavailable", checks=checks)
    response.status_code = 200 if good else 503
    response.headers["Cache-Control"] = "no-store"
    return response
