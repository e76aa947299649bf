"""An adapter's settings: one declaration from which form, schema, validation and mask all follow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticUndefined

from adapters.kit.fields import FieldSpec, describe
from adapters.kit.invalid import FieldError, InputInvalid, field_errors
from adapters.kit.syntax import SYNTAX, single_line
from adapters.kit.text import Message, N_

REQUIRED: Any = PydanticUndefined


class SettingsInvalid(InputInvalid):
    """These values cannot configure the adapter; `errors` names each field and what is wrong."""


def setting(
    label: str,
    *,
    hint: str = "",
    group: str = "basics",
    default: Any = REQUIRED,
    alias: str | None = None,
    placeholder: str = "",
    kind: str = "",
    destination: bool = False,
    pii: bool = False,
    multiline: bool = False,
    min_length: int | None = None,
    max_length: int | None = None,
    ge: float | None = None,
    le: float | None = None,
    pattern: str | None = None,
    choices: Mapping[str, str] | None = None,
) -> Any:
    """Declare a plain setting. `kind` is "", "email" or "url"; `choices` labels the values of a Literal."""
    extra = {
        "x-group": group,
        "format": {"email": "email", "url": "uri"}.get(kind),
        "x-placeholder": placeholder,
        "x-destination": destination,
        "x-pii": pii,
        "x-multiline": multiline,
        "x-choices": dict(choices or {}),
    }
    limits = {"min_length": min_length, "max_length": max_length, "ge": ge, "le": le, "pattern": pattern}
    return _field(label, hint, default, alias, extra, limits)


def secret(
    label: str,
    *,
    hint: str = "",
    group: str = "credentials",
    default: Any = REQUIRED,
    alias: str | None = None,
    placeholder: str = "",
    show_last4: bool = False,
    multiline: bool = False,
    max_length: int = 8192,
) -> Any:
    """Declare a secret; its annotation is SecretStr, or `SecretStr | None` with `default=None`."""
    extra = {
        "x-group": group,
        "x-placeholder": placeholder,
        "x-show-last4": show_last4,
        "x-multiline": multiline,
    }
    return _field(label, hint, default, alias, extra, {"min_length": 1, "max_length": max_length})


def _field(  # noqa: PLR0917 - two callers, both above
    label: str, hint: str, default: Any, alias: str | None, extra: dict[str, Any], limits: dict[str, Any]
) -> Any:
    known = {name: value for name, value in extra.items() if value}
    return Field(
        default, alias=alias, title=label, description=hint or None, json_schema_extra=known, **limits
    )


class Settings(BaseModel):
    """Base of every adapter's `Config`. Instances are frozen and never print a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _tidy(cls, value: Any, info: ValidationInfo) -> Any:
        spec = cls._spec(info.field_name)
        if isinstance(value, str) and spec.kind != "secret":
            value = value.strip()
        if isinstance(value, bool) and spec.kind in {"integer", "number"}:
            return str(value)  # Python counts with booleans; a form and a JSON document do not
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _well_formed(cls, value: Any, info: ValidationInfo) -> Any:
        spec = cls._spec(info.field_name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and not spec.multiline:
            single_line(text)
        if isinstance(text, str) and text and spec.kind in SYNTAX:
            SYNTAX[spec.kind](text)
        return value

    @classmethod
    def _spec(cls, attribute: str | None) -> FieldSpec:
        return next(spec for spec in cls.specs() if spec.attribute == attribute)

    @classmethod
    def specs(cls) -> tuple[FieldSpec, ...]:
        """Describe every field, in the order of declaration."""
        return _specs(cls)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Validate values by wire name; raises SettingsInvalid. Null and blank count as not given."""
        if not isinstance(values, Mapping):
            raise SettingsInvalid(
                [FieldError("", "type", Message(N_("This must be an object with named members.")))]
            )
        names = {spec.attribute: spec.name for spec in cls.specs()}
        try:
            return cls.model_validate(cls._given(values))
        except ValidationError as problem:
            raise SettingsInvalid(field_errors(problem, names)) from None

    @classmethod
    def _given(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        known = {spec.name for spec in cls.specs()}
        return {name: value for name, value in values.items() if name not in known or not _blank(value)}

    @classmethod
    def schema(cls) -> dict[str, Any]:  # type: ignore[override]
        """Return the JSON Schema (2020-12) by wire name; secrets are write-only."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **cls.model_json_schema(by_alias=True),
        }

    def plain(self) -> dict[str, Any]:
        """Return the settings that are no secrets, JSON-ready, by wire name."""
        values = self.model_dump(mode="json", by_alias=True)
        return {spec.name: values[spec.name] for spec in self.specs() if spec.kind != "secret"}

    def secrets(self) -> dict[str, str]:
        """Return the secrets that are set, in clear, by wire name. Never log the result."""
        found = {spec.name: getattr(self, spec.attribute) for spec in self.specs() if spec.kind == "secret"}
        return {name: value.get_secret_value() for name, value in found.items() if value is not None}


@cache
def _specs(model: type[Settings]) -> tuple[FieldSpec, ...]:
    return tuple(describe(name, field) for name, field in model.model_fields.items())


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
