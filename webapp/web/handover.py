"""People whom a trusted proxy hands over with each request, where that is switched on.

Their session lasts exactly as long as the proxy names them: without the header, or with another person in it, it ends.
Who signed in here by other means is left alone.
"""

from __future__ import annotations

from flask import Flask, abort, current_app, request, session
from sqlalchemy.exc import IntegrityError

from webapp.accounts import handover, sessions
from webapp.accounts.handover import Claimed, HandoverRefused
from webapp.extensions import KEY, db, runtime
from webapp.models.user import User

_NOT_PAGES = ("/static/", "/healthz", "/readyz", "/metrics", "/callbacks/")


def register(app: Flask) -> None:
    """Look at every request for a page."""
    if app.extensions[KEY].config.handover is not None:
        app.before_request(_hand_over)


def _hand_over() -> None:
    if request.path.startswith((*_NOT_PAGES, f"{runtime().config.api_prefix}/integrations")):
        return
    held = getattr(session, "method", None) == sessions.BY_PROXY
    if sessions.current_person() is not None and not held:
        return
    header = request.headers.get(handover.HEADER)
    if header is None:
        if held:
            sessions.end()
        return
    _take(header, held=held)


def _take(header: str, *, held: bool) -> None:
    try:
        claimed = _claimed(header)
        person = sessions.current_person()
        if held and person is not None and person.identity == claimed.identity:
            return
        user = _admitted(claimed)
    except HandoverRefused as refused:
        current_app.logger.warning("A hand-over was refused: %s", refused)
        if held:
            sessions.end()
        abort(401)
    sessions.begin(user, sessions.BY_PROXY)


def _claimed(header: str) -> Claimed:
    config = runtime().config.handover
    assert config is not None
    if not handover.is_trusted(config, _peer()):
        raise HandoverRefused(f"it came from {_peer()}, which is not the proxy")
    if len(request.headers.getlist(handover.HEADER)) > 1:
        raise HandoverRefused("there are two headers")
    path = request.environ.get("RAW_URI") or request.full_path.rstrip("?")
    return handover.verify(runtime(), config, header, method=request.method, host=request.host, path=path)


def _peer() -> str | None:
    """Who is connected to us, whatever forwarding headers say."""
    before = request.environ.get("werkzeug.proxy_fix.orig") or {}
    address: str | None = before.get("REMOTE_ADDR") or request.remote_addr
    return address


def _admitted(claimed: Claimed) -> User:
    try:
        user = handover.admit(db.session(), runtime(), claimed)
    except HandoverRefused:
        db.session.commit()
        raise
    except IntegrityError:
        db.session.rollback()
        raise HandoverRefused("two requests of a new person met") from None
    db.session.commit()
    return user
