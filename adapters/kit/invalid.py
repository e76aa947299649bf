"""What is wrong with an input, member by member, in words that never repeat the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from adapters.kit.text import Message, N_

_LONGEST_NAME = 64

_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "unexpected_keyword_argument": "unknown",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "literal_error": "choice",
    "enum": "choice",
    "string_pattern_mismatch": "pattern",
    "greater_than": "range",
    "greater_than_equal": "range",
    "less_than": "range",
    "less_than_equal": "range",
    "finite_number": "range",
}

_SENTENCES = {
    "missing": N_("This field is required."),
    "extra_forbidden": N_("This field is not known here."),
    "unexpected_keyword_argument": N_("This field is not known here."),
    "string_too_long": N_("Use at most %(max_length)s characters."),
    "too_long": N_("Give at most %(max_length)s entries."),
    "string_too_short": N_("Use at least %(min_length)s characters."),
    "too_short": N_("Give at least %(min_length)s entries."),
    "literal_error": N_("Choose one of: %(expected)s."),
    "enum": N_("Choose one of: %(expected)s."),
    "string_pattern_mismatch": N_("This is not in the expected form."),
    "greater_than": N_("Use a number greater than %(gt)s."),
    "greater_than_equal": N_("Use a number not smaller than %(ge)s."),
    "less_than": N_("Use a number smaller than %(lt)s."),
    "less_than_equal": N_("Use a number not greater than %(le)s."),
    "finite_number": N_("Use a finite number."),
    "string_type": N_("This must be text."),
    "int_type": N_("This must be a whole number."),
    "int_parsing": N_("This must be a whole number."),
    "int_from_float": N_("This must be a whole number."),
    "float_type": N_("This must be a number."),
    "float_parsing": N_("This must be a number."),
    "bool_type": N_("This must be true or false."),
    "bool_parsing": N_("This must be true or false."),
    "list_type": N_("This must be a list."),
    "tuple_type": N_("This must be a list."),
    "dict_type": N_("This must be an object with named members."),
    "dataclass_type": N_("This must be an object with named members."),
    "model_type": N_("This must be an object with named members."),
}

_INVALID = N_("This value is not valid.")
_WRONG_TYPE = N_("This has the wrong type.")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one member; `field` is its wire name (`host`, `to/0`), empty for the whole input."""

    field: str
    code: str
    message: Message

    @property
    def pointer(self) -> str:
        """Say where it is as a JSON pointer."""
        return f"/{self.field}" if self.field else ""

    def to_dict(self) -> dict[str, str]:
        """Return the members of a problem document's `errors` entry, in English."""
        return {"pointer": self.pointer, "code": self.code, "message": str(self.message)}


class Wrong(ValueError):
    """Raised by a validator that wants to name the member, the code or values of its sentence."""

    def __init__(self, message: Message | str, *, field: str = "", code: str = "invalid") -> None:
        self.message = Message.wrap(message)
        self.field = field
        self.code = code
        super().__init__(str(self.message))


class InputInvalid(Exception):
    """An input that cannot be used; `errors` holds every fault that was found."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(f"{error.field or 'input'}: {error.message}" for error in self.errors))


def field_errors(problem: ValidationError, names: Mapping[str, str] | None = None) -> list[FieldError]:
    """Translate pydantic's report; `names` turns a Wrong's attribute into its wire name. Never the input."""
    details = problem.errors(include_url=False)
    found = [_field_error(dict(detail), names or {}) for detail in details]
    # A list whose only entry is wrong is also reported as too short: the entry's own fault is enough.
    return [error for error in found if not any(other.field.startswith(f"{error.field}/") for other in found)]


def _field_error(detail: dict[str, Any], names: Mapping[str, str]) -> FieldError:
    context = detail.get("ctx", {})
    cause = context.get("error")
    where = _path(detail["loc"])
    if isinstance(cause, Wrong):
        inner = "/".join(part for part in (where, names.get(cause.field, cause.field)) if part)
        return FieldError(inner, cause.code, cause.message)
    if isinstance(cause, ValueError):
        return FieldError(where, "invalid", Message(str(cause)))
    kind = detail["type"]
    if kind in {"too_long", "too_short"} and isinstance(detail.get("input"), str | SecretStr):
        kind = f"string_{kind}"  # pydantic counts entries where a validator stands before the length
    if kind in {"string_too_short", "too_short"} and context.get("min_length") == 1:
        kind = "missing"
    return FieldError(where, _code(kind), _sentence(kind, context))


def _path(location: Sequence[str | int]) -> str:
    parts = [str(part) for part in location if part != "[key]"]
    return "/".join(part[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1") for part in parts)


def _code(kind: str) -> str:
    if kind in _CODES:
        return _CODES[kind]
    return "type" if kind.endswith(("_type", "_parsing", "_from_float")) else "invalid"


def _sentence(kind: str, context: Mapping[str, Any]) -> Message:
    msgid = _SENTENCES.get(kind)
    if msgid is None:
        return Message(_WRONG_TYPE if _code(kind) == "type" else _INVALID)
    return Message(msgid, {name: value for name, value in context.items() if f"%({name})s" in msgid})
