"""Forms that take exactly the fields they show: what was smuggled in is refused, never ignored."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import abort, request
from flask_wtf import FlaskForm
from wtforms import SelectMultipleField

ALWAYS = frozenset({"csrf_token", "next"})


class Form(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A form that answers 422 to a field it does not have, and 400 to two values of one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        several = {field.short_name for field in self if isinstance(field, SelectMultipleField)}
        take_only({field.short_name for field in self}, several)


def take_only(names: Collection[str], several: Collection[str] = ()) -> None:
    """Refuse a form with other fields than these; only those in `several` may come more than once."""
    for name, values in request.form.lists():
        if name not in names and name not in ALWAYS:
            abort(422)
        if len(values) > 1 and name not in several:
            abort(400)
