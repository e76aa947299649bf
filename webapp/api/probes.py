"""Probes for whatever keeps the process running: open to everyone, and telling nothing but yes or no."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import SQLAlchemyError

from webapp.db import is_migrated
from webapp.extensions import runtime
from webapp.state import StateDown

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers; with `?deep`, so does all it stands on."""
    return _answer({"process": True, **(_deep() if "deep" in request.args else {})})


@blueprint.get("/readyz")
def readyz() -> Response:
    """The database answers with the newest schema, and the keys are available."""
    try:
        migrated = is_migrated(runtime().engine)
    except SQLAlchemyError:
        return _answer({"database": False})
    return _answer({"database": True, "migrated": migrated, "keys": not runtime().vault.state().locked})


def _deep() -> dict[str, bool]:
    """The database, the keys tried on a sealed value, the shared counters and the journal."""
    live = runtime()
    return {
        "database": _works(lambda: is_migrated(live.engine)),
        "keys": _works(lambda: not live.vault.check().locked),
        "counters": _works(lambda: bool(live.state.read(["healthz"]))),
        "journal": _works(lambda: _is_writable(live.ledger.journal.directory)),
    }


def _is_writable(place: Path) -> bool:
    """Whether something can be written here, or here once it was made."""
    return os.access(place if place.exists() else place.parent, os.W_OK)


def _works(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (SQLAlchemyError, OSError, StateDown):
        return False


def _answer(checks: dict[str, bool]) -> Response:
    good = all(checks.values())
    response = jsonify(status="ok" if good else "unavailable", checks=checks)
    response.status_code = 200 if good else 503
    response.headers["Cache-Control"] = "no-store"
    return response
