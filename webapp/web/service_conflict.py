"""Two people changed one service: what differs field by field, and the form as the second of them then chose it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from flask import Response, request
from flask_babel import gettext
from wtforms import SelectField

from adapters.kit import Message, N_
from webapp.extensions import db
from webapp.models.service import Service
from webapp.registry import history
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.web.service_form import REFERENCE, Row, ServiceForm, spoken
from webapp.web.service_pages import edit_form, form_page

TAKE = "take-"
THEIRS, YOURS, REMOVE = "theirs", "yours", "remove"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that holds one value in the store and another in this form; of a secret neither is shown.

    `chosen` is what is ticked at first: theirs where this person changed nothing.
    """

    name: str
    label: str
    theirs: str
    yours: str
    chosen: str
    other: str = YOURS
    secret: bool = False


def names(form: ServiceForm) -> set[str]:
    """The names under which choices may come."""
    return {TAKE + field.short_name for field in form.form}


def settle(form: ServiceForm) -> None:
    """Carry the choices over into the form. Raises Invalid where a secret was to be replaced and none was entered."""
    lost = []
    for row in _rows(form):
        choice = request.form.get(TAKE + row.field.short_name)
        if choice == THEIRS:
            _take_theirs(form, row)
        elif row.spec and row.spec.kind == "secret" and choice == REMOVE:
            form.clear |= {row.spec.name}
        elif row.spec and row.spec.kind == "secret" and choice == YOURS and not _entered(form, row):
            text = Message.of(N_("Enter the new value, or keep what is stored."))
            lost.append(Flaw.at("configurations", row.spec.name, code="missing", message=text))
    if lost:
        raise Invalid(lost)


def conflict(form: ServiceForm, service: Service) -> Response:
    """Somebody else saved first: show what they stored beside what this form wants, and let the person choose."""
    base = _base(form, service)
    found = list(differences(form, edit_form(service), base))
    form.form["revision"].data = str(service.revision)
    return form_page(form, service.service_type, service, 409, differences=found)


def differences(form: ServiceForm, stored: ServiceForm, base: Any | None) -> Iterator[Difference]:
    """Field by field; `base` is the service as it was when this form was filled, where that is known."""
    before = ServiceForm(form.specs, service=base) if base else None
    for row in _rows(form):
        if row.spec and row.spec.kind == "secret":
            yield from _secret(form, row, base, stored.service)
            continue
        name = row.field.name
        theirs, yours = stored.stored_text(name), spoken(row.field.data)
        if theirs != yours:
            untouched = before is not None and before.stored_text(name) == yours
            shown = (_words(row.field, theirs), _words(row.field, yours))
            yield Difference(
                row.field.short_name, row.field.label.text, *shown, THEIRS if untouched else YOURS
            )


def _secret(form: ServiceForm, row: Row, base: Any | None, service: Service | None) -> Iterator[Difference]:
    """A secret somebody touched: it is kept or replaced, and what was entered has to be entered again."""
    assert row.spec
    name, removing = row.spec.name, row.spec.name in form.clear
    mine = removing or _entered(form, row)
    before = (base.secrets or {}).get(name) if base else None
    now = (service.secrets if service else {}).get(name)
    if not mine and (base is None or before == now):
        return
    theirs = gettext("Keep what is stored") if now else gettext("Leave it empty")
    yours = gettext("Remove it") if removing else gettext("Replace it: enter it again below")
    row.replacing = not removing
    chosen = (REMOVE if removing else YOURS) if mine else THEIRS
    other = REMOVE if removing else YOURS
    yield Difference(row.field.short_name, row.field.label.text, theirs, yours, chosen, other, secret=True)


def _base(form: ServiceForm, service: Service) -> Any | None:
    """The service at the revision this form began with."""
    try:
        found = history.revision(db.session(), service.service_id, form.base_revision)
    except NotFound:
        return None
    stored = {name: found.snapshot.get(name) for name in history.SNAPSHOT}
    stored["configurations"] = stored["configurations"] or {}
    return SimpleNamespace(**stored, revision=found.number, secrets=found.secrets)


def _take_theirs(form: ServiceForm, row: Row) -> None:
    if row.spec and row.spec.kind == "secret":
        form.clear -= {row.spec.name}
        row.field.data = form.form[REFERENCE + row.spec.name].data = ""
    else:
        row.field.data = form.initial_of(row.field.name)


def _entered(form: ServiceForm, row: Row) -> bool:
    assert row.spec
    return bool(row.field.data or form.form[REFERENCE + row.spec.name].data)


def _rows(form: ServiceForm) -> list[Row]:
    return [row for section in form.sections for row in section.rows]


def _words(field: Any, value: str) -> str:
    """A value as the page shows it: of a choice its label."""
    if isinstance(field, SelectField):
        return {str(one.value): str(one.label) for one in field.iter_choices()}.get(value, value)
    return value
