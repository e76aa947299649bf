"""People and programs: sign-in, sessions, roles and tokens."""

from __future__ import annotations

from flask import Flask, Request

from webapp.accounts.passwords import Cost
from webapp.accounts.sessions import ServerSessions, current_person
from webapp.extensions import login
from webapp.models.user import User


def register(app: Flask) -> None:
    """Keep sessions on the server, and let flask-login do no more than name the person of a request."""
    app.session_interface = ServerSessions()
    app.config.setdefault("PASSWORD_COST", Cost())
    login.session_protection = None
    login.request_loader(_person_of)
    login.init_app(app)


def _person_of(_request: Request) -> User | None:
    return current_person()
