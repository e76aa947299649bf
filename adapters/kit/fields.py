"""What a form, a schema or a document needs to know about one field of a settings model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

_KINDS: dict[Any, str] = {SecretStr: "secret", bool: "boolean", int: "integer", float: "number", str: "text"}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field; `name` is its wire name, `attribute` its Python name, `label` and `hint` are msgids."""

    name: str
    attribute: str
    label: str
    hint: str
    group: str
    kind: str
    required: bool
    default: Any
    choices: tuple[tuple[str, str], ...]
    destination: bool
    show_last4: bool
    min: float | None
    max: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | None
    placeholder: str
    pii: bool
    multiline: bool


def describe(attribute: str, field: FieldInfo) -> FieldSpec:
    """Derive the description of a field from its declaration."""
    extra: dict[str, Any] = dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}
    bare = _without_none(field.annotation)
    kind = _kind(bare, extra)
    return FieldSpec(
        name=field.alias or attribute,
        attribute=attribute,
        label=field.title or attribute.replace("_", " ").capitalize(),
        hint=field.description or "",
        group=extra.get("x-group", "basics"),
        kind=kind,
        required=field.is_required(),
        default=None if field.is_required() or kind == "secret" else _plain_default(field),
        choices=_choices(bare, extra.get("x-choices", {})),
        destination=extra.get("x-destination", False),
        show_last4=extra.get("x-show-last4", False),
        min=_limit(field, annotated_types.Ge, "ge"),
        max=_limit(field, annotated_types.Le, "le"),
        min_length=_limit(field, annotated_types.MinLen, "min_length"),
        max_length=_limit(field, annotated_types.MaxLen, "max_length"),
        pattern=_pattern(field),
        placeholder=extra.get("x-placeholder", ""),
        pii=extra.get("x-pii", False),
        multiline=extra.get("x-multiline", False),
    )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, UnionType}:
        members = [member for member in get_args(annotation) if member is not type(None)]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _kind(bare: Any, extra: dict[str, Any]) -> str:
    if bare is str and "format" in extra:
        return "url" if extra["format"] == "uri" else "email"
    if bare is str and extra.get("x-multiline"):
        return "multiline"
    if get_origin(bare) is Literal or (isinstance(bare, type) and issubclass(bare, Enum)):
        return "choice"
    if get_origin(bare) in {list, tuple}:
        return "list"
    return _KINDS.get(bare, "text")


def _plain_default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Enum):
        return default.value
    return list(default) if isinstance(default, tuple) else default


def _choices(bare: Any, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    if get_origin(bare) is Literal:
        return tuple((str(value), labels.get(str(value), str(value))) for value in get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return tuple((str(member.value), labels.get(str(member.value), member.name)) for member in bare)
    return ()


def _limit(field: FieldInfo, kind: type[Any], name: str) -> Any:
    return next((getattr(item, name) for item in field.metadata if isinstance(item, kind)), None)


def _pattern(field: FieldInfo) -> str | None:
    return next((item.pattern for item in field.metadata if getattr(item, "pattern", None)), None)
