"""How WTForms fields become the inputs of our pages."""

from __future__ import annotations

from typing import Any

from wtforms import BooleanField, PasswordField, SelectField, TextAreaField
from wtforms.fields import EmailField, IntegerField, URLField

_KINDS: tuple[tuple[type, str], ...] = (
    (PasswordField, "secret"),
    (BooleanField, "boolean"),
    (SelectField, "choice"),
    (TextAreaField, "multiline"),
    (IntegerField, "integer"),
    (EmailField, "email"),
    (URLField, "url"),
)
_EXTRA: dict[str, dict[str, object]] = {
    "boolean": {"role": "switch"},
    "secret": {"data-secret": "", "autocomplete": "new-password", "spellcheck": "false"},
    "list": {"rows": 3},
    "multiline": {"rows": 3},
    "integer": {"inputmode": "numeric"},
    "number": {"inputmode": "decimal"},
    "url": {"inputmode": "url", "spellcheck": "false"},
}


def kind_of(field: Any) -> str:
    """The kind of widget a field wants when nobody says it."""
    return next((kind for type_, kind in _KINDS if isinstance(field, type_)), "text")


def attributes(
    field: Any, kind: str, hint: str, required: bool = False, disabled: bool = False
) -> dict[str, object]:
    """Attributes for the input: what describes it, whether it is invalid, and the keyboard it wants."""
    described = [f"{field.id}-error"] * bool(field.errors) + [f"{field.id}-hint"] * bool(hint)
    told: dict[str, object] = dict(_EXTRA.get(kind, {})) | dict(field.render_kw or {})
    if described:
        told["aria-describedby"] = " ".join(described)
    if field.errors:
        told["aria-invalid"] = "true"
    # A required list would need an empty first choice; ours come with one chosen.
    return told | {"required": bool(required) and kind not in ("choice", "boolean"), "disabled": disabled}


def collect(form: Any) -> list[tuple[str, str]]:
    """Every error of a form as (id of the field, text), in the order of the form; fields without an input come last."""
    if form is None:
        return []
    errors = [(field.id, text) for field in form for text in field.errors if isinstance(text, str)]
    return errors + [("", text) for text in getattr(form, "form_errors", ())]


def initials(label: str) -> str:
    """One or two letters for the tile of a vendor: `SendGrid` SG, `Twilio` Tw, `阿里云短信` 阿."""
    words = label.replace("-", " ").replace(".", " ").split()
    if not words:
        return "?"
    if not words[0].isascii():
        return words[0][0]
    if len(words) > 1 and words[1][0].isalnum():
        return (words[0][0] + words[1][0]).upper()
    capitals = [letter for letter in words[0] if letter.isupper()]
    return "".join(capitals[:2]) if len(capitals) > 1 else words[0][:2].capitalize()
