"""The operations of a contract: typed input and output, and how safely each can be repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError

from adapters.kit.invalid import InputInvalid, field_errors

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Class = TypeVar("_Class")


class Safety(StrEnum):
    """How safely an operation can be repeated when its outcome is unknown."""

    READ = "READ"
    IDEMPOTENT = "IDEMPOTENT"
    KEYED = "KEYED"
    UNSAFE = "UNSAFE"


class ParamsInvalid(InputInvalid):
    """These parameters do not fit the operation; `errors` says where and why."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def payload(cls: type[_Class]) -> type[_Class]:
    """Make a frozen dataclass whose unknown members are refused when it is read from outside."""
    made: Any = dataclass(frozen=True, slots=True)(cls)
    made.__pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Operation:
    """One verb of a contract, such as `email.send`; `label` is a msgid."""

    name: str
    method: str
    params: type[Any]
    result: type[Any]
    safety: Safety
    label: str

    def parse(self, params: Mapping[str, Any] | object) -> Any:
        """Validate parameters, given as members or as an instance; raises ParamsInvalid."""
        if isinstance(params, self.params):
            params = _members(params)
        try:
            return self._reader.validate_python(params)
        except ValidationError as problem:
            raise ParamsInvalid(field_errors(problem)) from None

    def dump(self, result: object) -> dict[str, Any]:
        """Return a result (or parameters) as JSON-ready members."""
        writer = self._reader if isinstance(result, self.params) else self._writer
        members: dict[str, Any] = writer.dump_python(result, mode="json")
        return members

    def params_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameters."""
        return self._reader.json_schema()

    def result_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the result."""
        return self._writer.json_schema(mode="serialization")

    @cached_property
    def _reader(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.params)

    @cached_property
    def _writer(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.result)


def operation(safety: Safety, label: str = "") -> Callable[[_Function], _Function]:
    """Mark an abstract method of a contract as an operation with this safety."""

    def mark(method: _Function) -> _Function:
        method.__operation__ = (safety, label)  # type: ignore[attr-defined]
        return method

    return mark


def _members(value: Any) -> dict[str, Any]:
    return {item.name: _unpack(getattr(value, item.name)) for item in dataclasses.fields(value)}


def _unpack(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _members(value)
    if isinstance(value, (list, tuple)):
        return [_unpack(item) for item in value]
    return value
