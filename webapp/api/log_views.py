"""Saved views of the log: those that a token made, and those that are shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, jsonify, url_for

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query_parameters, validated
from webapp.api.log_schemas import LogViewIn, LogViewList, LogViewOut
from webapp.api.problems import Problem
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.log import views
from webapp.log.views import ViewInvalid
from webapp.models.log_view import LogView
from webapp.registry.errors import Flaw, Invalid
from webapp.vault import audit

blueprint = area("log_views")


@blueprint.get("/logs/views")
@scoped("logs:read")
@documented("List saved views", "Logs", answers={200: LogViewList})
def index() -> Response:
    """Searches of the log under a name."""
    query_parameters(())
    found = views.visible(db.session(), owner())
    return jsonify(items=[views.to_dict(view, owner()) for view in found], next_cursor=None)


@blueprint.post("/logs/views")
@scoped("logs:read")
@documented("Save a view", "Logs", body=LogViewIn, answers={201: LogViewOut}, problems=(422,))
def create() -> Response:
    """A view belongs to the token that made it."""
    query_parameters(())
    given = validated(LogViewIn, json_object())
    with _flaws():
        view = views.create(
            db.session(), name=given.name, search=given.search, is_shared=given.is_shared,
            owner=owner(), owner_name=caller().actor,
        )  # fmt: skip
    _note(view, "logs.view_create")
    response = jsonify(views.to_dict(view, owner()))
    response.status_code = 201
    response.headers["Location"] = url_for(".show", view_id=view.view_id)
    return response


@blueprint.get("/logs/views/<view_id>")
@scoped("logs:read")
@documented("Read a view", "Logs", answers={200: LogViewOut}, problems=(404,))
def show(view_id: str) -> Response:
    """One's own, or a shared one."""
    query_parameters(())
    return jsonify(views.to_dict(_view(view_id), owner()))


@blueprint.patch("/logs/views/<view_id>")
@scoped("logs:read")
@documented(
    "Change a view",
    "Logs",
    body=LogViewIn,
    partial=True,
    answers={200: LogViewOut},
    problems=(403, 404, 422),
)
def change(view_id: str) -> Response:
    """Only what is sent is changed, and only by the token that made it."""
    query_parameters(())
    view, given = _own(view_id), json_object()
    validated(LogViewIn, {name: getattr(view, name) for name in LogViewIn.model_fields} | given)
    with _flaws():
        views.change(db.session(), view, runtime().clock.now(), **given)
    _note(view, "logs.view_share")
    return jsonify(views.to_dict(view, owner()))


@blueprint.delete("/logs/views/<view_id>")
@scoped("logs:read")
@documented("Delete a view", "Logs", answers={204: None}, problems=(403, 404))
def delete(view_id: str) -> Response:
    """Only the token that made it may."""
    query_parameters(())
    no_body()
    view = _own(view_id)
    db.session.delete(view)
    _note(view, "logs.view_delete")
    return Response(status=204)


def owner() -> str:
    """Whose views those of the program of this request are."""
    return f"token:{caller().token_id}"


def _view(view_id: str) -> LogView:
    view = views.find(db.session(), view_id, owner())
    if view is None:
        raise Problem("NOT_FOUND", Message.of(N_("There is no such view.")))
    return view


def _own(view_id: str) -> LogView:
    view = _view(view_id)
    if view.owner != owner():
        raise Problem("FORBIDDEN", Message.of(N_("Somebody else made this view.")))
    return view


def _note(view: LogView, action: str) -> None:
    """Put what is shared with others into the audit, and commit."""
    if view.is_shared or action == "logs.view_share":
        detail = {"name": view.name, "is_shared": view.is_shared}
        actor = caller().actor
        audit.append(db.session(), runtime(), actor=actor, action=action, target=view.view_id, detail=detail)
    db.session.commit()


@contextmanager
def _flaws() -> Iterator[None]:
    """Answer a view that cannot be saved as any other invalid body."""
    try:
        yield
    except ViewInvalid as invalid:
        raise Invalid([Flaw(f"/{one.field}", one.code, one.message) for one in invalid.errors]) from None
