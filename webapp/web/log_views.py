"""Saved views of the log: one's own, and those that others share."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.log import views
from webapp.log.filters import FilterError
from webapp.log.views import NAME_MAX, PARAMETERS, ViewInvalid
from webapp.models.log_view import LogView
from webapp.vault import audit
from webapp.web.access import actor, may, person, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.strict import take_only

blueprint = Blueprint("log_views", __name__, url_prefix="/logs/views")


@blueprint.get("")
@requires(Verb.LOG_READ)
def index() -> Response:
    """List the views one may open."""
    return page(
        "logs/views.html", views=views.visible(db.session(), owner()), owner=owner(), may_drop=_may_drop
    )


@blueprint.get("/<view_id>")
@requires(Verb.LOG_READ)
def show(view_id: str) -> ResponseReturnValue:
    """Open the log with the search of a view."""
    search: dict[str, Any] = dict(_view(view_id).search)
    return redirect(url_for("logs.index", **search))


@blueprint.get("/new")
@requires(Verb.LOG_READ)
def new() -> Response:
    """Ask for the name under which a search is saved."""
    return _form(request.args.to_dict())


@blueprint.post("")
@requires(Verb.LOG_READ)
def create() -> ResponseReturnValue:
    """Save a search."""
    take_only({"name", "is_shared", *PARAMETERS})
    try:
        view = _created()
    except ViewInvalid as invalid:
        db.session.rollback()
        return _form(request.form.to_dict(), invalid.errors)
    _note(view, "logs.view_create")
    notify(gettext("The view is saved."))
    return redirect(url_for(".show", view_id=view.view_id), 303)


@blueprint.post("/<view_id>/share")
@requires(Verb.LOG_READ)
def share(view_id: str) -> ResponseReturnValue:
    """Show one's own view to everybody, or to nobody else any more."""
    take_only({"is_shared"})
    view = _view(view_id)
    if view.owner != owner():
        abort(403)
    views.change(db.session(), view, runtime().clock.now(), is_shared=request.form.get("is_shared") == "1")
    _note(view, "logs.view_share")
    return redirect(url_for(".index"), 303)


@blueprint.post("/<view_id>/delete")
@requires(Verb.LOG_READ)
def delete(view_id: str) -> ResponseReturnValue:
    """Delete a view of one's own; administrators may delete those that are shared."""
    take_only(())
    view = _view(view_id)
    if not _may_drop(view):
        abort(403)
    db.session.delete(view)
    _note(view, "logs.view_delete")
    notify(gettext("The view is deleted."))
    return redirect(url_for(".index"), 303)


def owner() -> str:
    """Whose views those of the person of this request are."""
    return f"user:{person().user_id}"


def _created() -> LogView:
    return views.create(
        db.session(),
        name=request.form.get("name", ""),
        search={name: request.form[name] for name in PARAMETERS if request.form.get(name)},
        is_shared="is_shared" in request.form,
        owner=owner(),
        owner_name=actor(),
    )


def _view(view_id: str) -> LogView:
    view = views.find(db.session(), view_id, owner())
    if view is None:
        abort(404)
    return view


def _may_drop(view: LogView) -> bool:
    return view.owner == owner() or (view.is_shared and may(Verb.SERVICE_WRITE))


def _note(view: LogView, action: str) -> None:
    """Put what is shared with others into the audit, and commit."""
    if view.is_shared or action == "logs.view_share":
        detail = {"name": view.name, "is_shared": view.is_shared}
        audit.append(
            db.session(), runtime(), actor=actor(), action=action, target=view.view_id, detail=detail
        )
    db.session.commit()


def _form(given: dict[str, str], errors: list[FilterError] | None = None) -> Response:
    search = {name: given[name] for name in PARAMETERS if given.get(name)}
    found = {error.field: say(error.message) for error in errors or ()}
    fault = " ".join(text for field, text in found.items() if field != "name")
    return page(
        "logs/view_form.html",
        status=422 if errors else 200,
        search=search,
        name=given.get("name", ""),
        is_shared="is_shared" in given,
        name_error=found.get("name", ""),
        search_error=fault,
        summary=[("f-name" if field == "name" else "", text) for field, text in found.items()],
        name_max=NAME_MAX,
    )
