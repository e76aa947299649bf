"""Read what came in: JSON bodies strictly, query parameters completely. What is not understood is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from adapters.kit import Message, N_
from webapp.api.problems import Problem
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.fields import flaws_of

JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})
Model = TypeVar("Model", bound=BaseModel)


def json_object(*, optional: bool = False) -> dict[str, Any]:
    """The members of the body. Raises Problem (400, 415) or Invalid (not an object)."""
    raw = request.get_data(cache=False)
    if optional and not raw:
        return {}
    if request.mimetype not in JSON_TYPES:
        raise Problem("UNSUPPORTED_MEDIA_TYPE", Message.of(N_("Send the body as application/json.")))
    value = _parsed(raw)
    if not isinstance(value, dict):
        raise Invalid([Flaw("", "type", Message.of(N_("The body must be a JSON object.")))])
    return value


def no_body() -> None:
    """Refuse members nobody asked for."""
    only(json_object(optional=True), ())


def only(
    body: Mapping[str, Any],
    allowed: Collection[str],
    *,
    required: Iterable[str] = (),
    read_only: Collection[str] = (),
) -> None:
    """Raise Invalid for members that are unknown, read-only or missing."""
    flaws = [_foreign(name, name in read_only) for name in body if name not in allowed]
    text = Message.of(N_("This field is required."))
    flaws += [Flaw.at(name, code="missing", message=text) for name in required if body.get(name) is None]
    if flaws:
        raise Invalid(flaws)


def validated(model: type[Model], body: Mapping[str, Any]) -> Model:
    """The body as a model; raises Invalid with every flaw."""
    try:
        return model.model_validate(body, strict=True)
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None


def query(model: type[Model]) -> Model:
    """The query parameters as a model; empty ones count as absent. Raises Invalid."""
    return validated_query(model, query_parameters(model.model_fields))


def validated_query(model: type[Model], given: Mapping[str, str]) -> Model:
    """Parameters as a model, read from their texts. Raises Invalid."""
    try:
        return model.model_validate(given)
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None


def query_parameters(allowed: Iterable[str]) -> dict[str, str]:
    """The given parameters by name. Raises Invalid for unknown and for repeated ones."""
    known = set(allowed)
    flaws = [_foreign(name, False) for name in request.args if name not in known]
    text = Message.of(N_("Give this parameter once."))
    repeated = [name for name in request.args if len(request.args.getlist(name)) > 1]
    flaws += [Flaw.at(name, code="duplicate", message=text) for name in repeated if name in known]
    flaws += [_unprintable(name) for name, value in request.args.items() if "\x00" in value]
    if flaws:
        raise Invalid(flaws)
    return {name: value for name, value in request.args.items() if value}


def _foreign(name: str, read_only: bool) -> Flaw:
    if read_only:
        text = N_("This is read-only: leave it out.")
        return Flaw.at(name, code="read_only", message=Message.of(text))
    return Flaw.at(name[:64], code="unknown", message=Message.of(N_("This field is not known here.")))


def _unprintable(name: str) -> Flaw:
    return Flaw.at(name, code="invalid", message=Message.of(N_("Control characters are not allowed here.")))


def _parsed(raw: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, no repeated names, no NaN, no halves of characters."""
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unrepeated, parse_constant=_no_number, parse_float=_finite
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RepeatedName:
        raise Problem("MALFORMED_REQUEST", Message.of(N_("A name occurs twice in one object."))) from None
    except (ValueError, RecursionError):
        raise Problem("MALFORMED_REQUEST", Message.of(N_("The body is not valid JSON in UTF-8."))) from None
    return value


class RepeatedName(ValueError):
    """An object names a member twice: two readers might see two different requests."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RepeatedName
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
