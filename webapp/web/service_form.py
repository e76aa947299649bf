"""The form of one service: WTForms fields derived from what its adapter declares.

The form only draws and carries values. What is right and wrong is decided by the registry, so that the page, the
API and the command line refuse the same input with the same words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import request
from flask_babel import gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice

from adapters.kit import FieldSpec, Message, N_
from webapp.models.secret import Secret
from webapp.models.service import Service
from webapp.registry.errors import Flaw
from webapp.web import common_fields
from webapp.web.i18n import say

PREFIX = "config-"
REFERENCE = "ref-"
SECTIONS = {
    "basics": N_("Basics"),
    "credentials": N_("Credentials"),
    "endpoint": N_("Endpoint"),
    "reliability": N_("Reliability"),
    "advanced": N_("Advanced"),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a page may say about a stored secret."""

    hint: str
    set_at: datetime
    set_by: str
    expires_at: datetime | None
    reference: str = ""
    unreadable: bool = False

    @classmethod
    def of(cls, secret: Secret, *, unreadable: bool = False) -> Stored:
        """Read it off the row; the value itself stays sealed."""
        return cls(
            f"…{secret.hint}" if secret.hint else "",
            secret.created_at,
            secret.created_by,
            secret.expires_at,
            secret.ref_uri or "",
            unreadable,
        )


@dataclass(slots=True)
class Row:
    """One field as the page draws it: the input, what its adapter says of it and what is stored for a secret."""

    field: Any
    spec: FieldSpec | None = None
    stored: Stored | None = None
    replacing: bool = False
    reference: Any = None
    unit: str = ""
    required: bool = False
    width: str = ""

    @property
    def kind(self) -> str:
        """Which widget to draw; empty lets the macro choose."""
        return self.spec.kind if self.spec else ""


@dataclass(slots=True)
class Section:
    """A titled group of rows."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        """Whether a row of this section was refused."""
        return any(row.field.errors for row in self.rows)


class ServiceForm:
    """The form for adding a service (`service` is None) or changing one.

    `secrets` are the stored ones by setting, still sealed; `unreadable` names those that cannot be opened any more.
    `replacing` names those whose input is open.
    """

    def __init__(
        self,
        specs: Sequence[FieldSpec],
        *,
        service: Service | None = None,
        secrets: Mapping[str, Secret] | None = None,
        unreadable: Collection[str] = (),
        replacing: Collection[str] = (),
    ) -> None:
        self.specs = tuple(specs)
        self.service = service
        common = common_fields.common_fields()
        fields = {item.name: item.field for item in common} | {PREFIX + s.name: _field(s) for s in self.specs}
        fields |= {REFERENCE + s.name: _reference_field(s) for s in self.specs if s.kind == "secret"}
        own = {"revision": HiddenField(), "note": common_fields.note_field()}
        form_class = type("BoundServiceForm", (FlaskForm,), fields | own)
        self.form = form_class(data=self._initial())
        ticked = request.form.getlist("clear")
        # The secrets to take out when saving.
        self.clear = frozenset(spec.name for spec in self.specs if PREFIX + spec.name in ticked)
        stored = {
            name: Stored.of(row, unreadable=name in unreadable) for name, row in (secrets or {}).items()
        }
        self.sections = self._sections(common, stored, replacing)

    @property
    def errors(self) -> list[tuple[str, str]]:
        """The summary: id of the input (empty when there is none) and what is wrong with it."""
        rows = [row for section in self.sections for row in section.rows]
        found = [
            (row.field.id, f"{row.field.label.text}: {error}") for row in rows for error in row.field.errors
        ]
        return found + [("", error) for error in self.form.form_errors]

    @property
    def base_revision(self) -> int:
        """The revision this form was filled from; 0, which is always stale, when somebody removed it."""
        text = self.form["revision"].data or ""
        return int(text) if text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004 - no longer than a number we gave

    @property
    def touches_secrets(self) -> bool:
        """Whether saving would store a new secret or take one out."""
        return bool(self.clear) or any(self._given(spec) for spec in self.specs if spec.kind == "secret")

    @property
    def note(self) -> str | None:
        """Why it is changed, as the person says."""
        return (self.form["note"].data or "").strip() or None

    @property
    def outcome(self) -> str | None:
        """What timeout and retries mean together, in a sentence."""
        return common_fields.outcome(self.form.data)

    def values(self) -> dict[str, Any]:
        """What was filled in, under the API's names; None stands for what was left empty."""
        configurations = {spec.name: self._given(spec) for spec in self.specs}
        given = {name: value for name, value in configurations.items() if value is not None}
        return {**common_fields.api_values(self.form.data), "configurations": given}

    def _given(self, spec: FieldSpec) -> Any:
        """What was entered for one setting, or where its secret is kept."""
        value = _entered(spec, self.form[PREFIX + spec.name].data)
        reference = (self.form[REFERENCE + spec.name].data or "").strip() if spec.kind == "secret" else ""
        if not reference:
            return value
        return {"$ref": reference} if value is None else {"$ref": reference, "value": value}

    def refuse(self, flaws: Iterable[Flaw]) -> None:
        """Put each finding of the registry at its field, and open the secrets that must be entered again."""
        for flaw in flaws:
            row = self._row_at(flaw.pointer)
            if row is None:
                self.form.form_errors.append(say(flaw.message))
                continue
            row.field.errors = (*row.field.errors, say(self._in_words_of_the_page(row, flaw)))
            row.replacing = row.kind == "secret"

    def stored_text(self, name: str) -> str:
        """What is stored of one field, as the form would show it, whatever was posted."""
        return spoken(self.initial_of(name))

    def initial_of(self, name: str) -> Any:
        """What is stored of one field, as its input takes it."""
        return self._initial().get(name)

    def row(self, wire: str) -> Row | None:
        """The row of one setting."""
        rows = (row for section in self.sections for row in section.rows)
        return next((row for row in rows if row.spec and row.spec.name == wire), None)

    def _row_at(self, pointer: str) -> Row | None:
        head, _, rest = pointer.removeprefix("/").partition("/")
        if head == "configurations":
            return self.row(rest.partition("/")[0].replace("~1", "/").replace("~0", "~"))
        name = common_fields.FIELDS.get(pointer)
        rows = (row for section in self.sections for row in section.rows)
        return next((row for row in rows if row.field.name == name), None)

    def _in_words_of_the_page(self, row: Row, flaw: Flaw) -> Message:
        """Say settings by their labels, and limits of times in seconds, which is what the page asks for."""
        values = dict(flaw.message.values)
        if "moved" in values:
            labels = {spec.name: gettext(spec.label) for spec in self.specs}
            values["moved"] = ", ".join(labels.get(wire, wire) for wire in str(values["moved"]).split(", "))
        if row.field.name in common_fields.SHOWN_IN_SECONDS:
            if flaw.code == "type":
                return Message.of(N_("Enter a number of seconds."))
            values = {key: f"{v / 1000:g}" if isinstance(v, int | float) else v for key, v in values.items()}
        return Message(flaw.message.msgid, values)

    def _initial(self) -> dict[str, Any]:
        stored = {} if self.service is None else self.service.configurations
        plain = [spec for spec in self.specs if spec.kind != "secret"]
        settings = {PREFIX + spec.name: _shown(spec, stored.get(spec.name, spec.default)) for spec in plain}
        revision = "" if self.service is None else str(self.service.revision)
        return {**common_fields.initial(self.service), **settings, "revision": revision}

    def _sections(
        self, common: Sequence[common_fields.Common], secrets: Mapping[str, Stored], opened: Collection[str]
    ) -> list[Section]:
        sections = {name: Section(name, gettext(title)) for name, title in SECTIONS.items()}
        for item in common:
            row = Row(self.form[item.name], unit=item.unit, required=item.required, width=item.width)
            sections[item.section].rows.append(row)
        for spec in self.specs:
            row = Row(self.form[PREFIX + spec.name], spec, secrets.get(spec.name))
            row.required = spec.required or (spec.kind == "choice" and spec.default is not None)
            # A closed secret has no input, so whatever the form sent for it, even nothing, came from an open one.
            row.replacing = spec.name in opened or PREFIX + spec.name in request.form
            row.reference = self.form[REFERENCE + spec.name] if spec.kind == "secret" else None
            row.width = "short" if spec.kind in {"integer", "number"} else ""
            sections.get(spec.group, sections["basics"]).rows.append(row)
        return [section for section in sections.values() if section.rows]


def _field(spec: FieldSpec) -> Any:
    common = {
        "label": gettext(spec.label),
        "description": gettext(spec.hint) if spec.hint else "",
        "id": f"f-{spec.name}",
    }
    attributes: dict[str, Any] = {"autocomplete": "off"}
    if spec.placeholder:
        attributes["placeholder"] = gettext(spec.placeholder)
    if spec.kind == "boolean":
        return BooleanField(**common)
    if spec.kind == "choice":
        choices = [SelectChoice(value, gettext(text)) for value, text in spec.choices]
        if spec.default is None:
            choices.insert(0, SelectChoice("", gettext("Choose…") if spec.required else gettext("Not set")))
        return SelectField(**common, choices=choices, validate_choice=False)
    if spec.kind == "secret" and not spec.multiline:
        return PasswordField(**common, render_kw=attributes | {"autocomplete": "new-password"})
    if spec.kind in {"multiline", "list", "secret"}:
        return TextAreaField(**common, render_kw=attributes)
    return StringField(**common, render_kw=attributes)


def _reference_field(spec: FieldSpec) -> Any:
    attributes = {
        "autocomplete": "off",
        "spellcheck": "false",
        "data-reference": "",
        "placeholder": "vault:kv/mail#key",
    }
    return StringField(
        gettext("Where this secret is kept"), id=f"f-{spec.name}-reference", render_kw=attributes
    )


def _shown(spec: FieldSpec, value: Any) -> Any:
    if spec.kind == "boolean":
        return bool(value)
    if spec.kind == "list":
        return "\n".join(str(item) for item in value or ())
    return "" if value is None else str(value)


def _entered(spec: FieldSpec, data: Any) -> Any:
    """What one field says; None when it was left empty: the adapter's default holds, a stored secret is kept."""
    if spec.kind == "boolean":
        return bool(data)
    text = str(data or "").replace("\r\n", "\n")
    if spec.kind == "list":
        return [line.strip() for line in text.splitlines() if line.strip()] or None
    return (text if spec.kind == "secret" else text.strip()) or None


def spoken(value: object) -> str:
    """A value of a field in words, for comparing and for showing."""
    if isinstance(value, bool):
        return str(gettext("On") if value else gettext("Off"))
    return "" if value is None else str(value).replace("\r\n", "\n").strip()
