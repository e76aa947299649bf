"""JSON whose strings lie in its text as they are, so that it can be judged without being taken apart."""

from __future__ import annotations

import re

import orjson

from webapp.engine.redaction.names import Kind, kind_of
from webapp.engine.redaction.spans import Span

_NAMES = re.compile(r'"([^"]*)"\s*:')
_NESTED = re.compile(r'"\s*[\[{]')  # a string that may be JSON of its own
# What is not plain JSON is left to whoever looks at each value.
_PLAIN = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def verbatim(value: object, most: int) -> str | None:
    """An object as text of at most so many characters; None where a string of it is not what it seems."""
    if type(value) is not dict:
        return None
    try:
        text = orjson.dumps(value, option=_PLAIN).decode()
    except TypeError:
        return None
    return None if "\\" in text or len(text) > most or _NESTED.search(text) else text


def names_tell(text: str) -> bool:
    """Whether any name in a text of JSON says that its value is a secret, or somebody's."""
    return any(kind_of(name) is not Kind.PLAIN for name in set(_NAMES.findall(text)))


def inside_a_string(text: str, span: Span) -> bool:
    """Whether a place in a text of JSON lies within one string."""
    return '"' not in text[span.start : span.end] and text.count('"', 0, span.start) % 2 == 1
