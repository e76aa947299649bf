"""The catalogue: every adapter one can add a service for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext
from sqlalchemy import func, select

from adapters.kit.catalog import Entry
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.web.access import requires
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_lines import shelf_order

blueprint = Blueprint("catalog", __name__, url_prefix="/settings/integrations/catalog")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The adapters of one contract."""

    contract: str
    label: str
    entries: list[Entry] = field(default_factory=list)


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """Pick a provider; `q` and `contract` narrow the choice."""
    q, contract = request.args.get("q", "").strip()[:120], request.args.get("contract", "")
    entries = [entry for entry in runtime().catalog.entries() if _matches(entry, q)]
    shelves = _shelves(entries)
    chosen = [shelf for shelf in shelves if contract in {"", shelf.contract}]
    kinds = [("", gettext("All kinds")), *((shelf.contract, say(shelf.label)) for shelf in shelves)]
    context: dict[str, Any] = {
        "shelves": chosen,
        "kind_choices": kinds,
        "q": q,
        "contract": contract,
        "used": _used(),
    }
    return page("integrations/catalog.html", "results", **context)


def _matches(entry: Entry, q: str) -> bool:
    summary = entry.adapter.summary if entry.adapter else ""
    text = f"{entry.label} {gettext(entry.label)} {entry.service_type} {entry.contract} {gettext(summary) if summary else ''}".casefold()
    return all(word in text for word in q.casefold().split())


def _shelves(entries: Sequence[Entry]) -> list[Shelf]:
    labels = runtime().catalog.contracts()
    shelves: dict[str, Shelf] = {}
    for entry in entries:
        label = labels[entry.contract].label if entry.contract in labels else entry.contract
        shelves.setdefault(entry.contract, Shelf(entry.contract, label)).entries.append(entry)
    return sorted(shelves.values(), key=lambda shelf: shelf_order(shelf.contract))


def _used() -> Counter[str]:
    counted = (
        select(Service.service_type, func.count())
        .where(Service.deleted_at.is_(None))
        .group_by(Service.service_type)
    )
    return Counter({service_type: int(count) for service_type, count in db.session.execute(counted)})
