"""Saved searches of the log: private to one person or program, or shared with everybody who may read the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.db import begin_write
from webapp.log.filters import FilterError, FilterInvalid, LogFilter
from webapp.log.language_fields import CONTROL
from webapp.log.language_services import Services
from webapp.models.log_view import LogView

NAME_MAX, MOST = 80, 100
RANGES = ("15m", "1h", "6h", "24h", "7d", "30d")
PARAMETERS = (*LogFilter.names(), "range")
_LOCK = "log views"


class ViewInvalid(FilterInvalid):
    """A view cannot be saved like this; `errors` says why."""


def visible(session: Session, owner: str) -> Sequence[LogView]:
    """The views of an owner and those that others share, by name."""
    mine = or_(LogView.owner == owner, LogView.is_shared)
    return session.scalars(select(LogView).where(mine).order_by(LogView.name, LogView.view_id)).all()


def find(session: Session, view_id: str, owner: str) -> LogView | None:
    """A view that this owner may see."""
    view = session.get(LogView, view_id)
    return view if view and (view.is_shared or view.owner == owner) else None


def create(
    session: Session, *, name: str, search: Mapping[str, str], is_shared: bool, owner: str, owner_name: str
) -> LogView:
    """Save a search under a name. The caller commits. Raises ViewInvalid."""
    begin_write(session, _LOCK)
    errors = [*_name_errors(session, name, owner), *_search_errors(session, search)]
    count = session.scalar(select(func.count()).select_from(LogView).where(LogView.owner == owner)) or 0
    if count >= MOST:
        errors.append(
            _error("name", "limit", N_("There are %(most)s views already; delete one first."), most=MOST)
        )
    if errors:
        raise ViewInvalid(errors)
    view = LogView(
        name=name.strip(), search=_kept(search), is_shared=is_shared, owner=owner, owner_name=owner_name
    )
    session.add(view)
    session.flush()
    return view


def change(
    session: Session,
    view: LogView,
    now: datetime,
    *,
    name: str | None = None,
    search: Mapping[str, str] | None = None,
    is_shared: bool | None = None,
) -> None:
    """Change what is given. The caller commits. Raises ViewInvalid."""
    begin_write(session, _LOCK)
    errors = _name_errors(session, name, view.owner, view.view_id) if name is not None else []
    errors += _search_errors(session, search) if search is not None else []
    if errors:
        raise ViewInvalid(errors)
    view.name = name.strip() if name is not None else view.name
    view.search = _kept(search) if search is not None else view.search
    view.is_shared = is_shared if is_shared is not None else view.is_shared
    view.updated_at = now
    session.flush()


def to_dict(view: LogView, owner: str) -> dict[str, Any]:
    """A view as JSON."""
    times = {name: getattr(view, name).isoformat(timespec="seconds") for name in ("created_at", "updated_at")}
    return {
        "view_id": view.view_id,
        "name": view.name,
        "search": view.search,
        "is_shared": view.is_shared,
        "is_own": view.owner == owner,
        "owner": view.owner_name,
        **{name: text.replace("+00:00", "Z") for name, text in times.items()},
    }


def _kept(search: Mapping[str, str]) -> dict[str, str]:
    return {name: text.strip() for name, text in search.items() if text.strip()}


def _name_errors(session: Session, name: str, owner: str, but: str = "") -> list[FilterError]:
    name = name.strip()
    if not name or len(name) > NAME_MAX or CONTROL.search(name):
        return [_error("name", "invalid", N_("Use 1 to %(most)s printable characters."), most=NAME_MAX)]
    same = select(LogView.view_id).where(LogView.owner == owner, LogView.name == name)
    if session.scalar(same.where(LogView.view_id != but)):
        return [_error("name", "taken", N_("You have a view with this name already."))]
    return []


def _search_errors(session: Session, search: Mapping[str, str]) -> list[FilterError]:
    """A search that is wrong, or that names a recipient: addresses are never stored."""
    if foreign := [name for name in search if name not in PARAMETERS]:
        return [
            _error(f"search/{name[:64]}", "unknown", N_("This field is not known here.")) for name in foreign
        ]
    wanted, errors = LogFilter.read(search, Services.known(session))
    found = [
        FilterError(f"search/{error.field}", error.code, error.message, error.start, error.end)
        for error in errors
    ]
    if search.get("range") and search["range"] not in RANGES:
        found.append(
            _error("search/range", "choice", N_("Choose one of: %(expected)s."), expected=", ".join(RANGES))
        )
    if wanted.recipients:
        text = N_("A search for a recipient cannot be saved: addresses and numbers are not stored here.")
        found.append(_error("search/q" if wanted.q else "search/recipient", "recipient", text))
    return found


def _error(field: str, code: str, msgid: str, **values: object) -> FilterError:
    return FilterError(field, code, Message.of(msgid, **values))
