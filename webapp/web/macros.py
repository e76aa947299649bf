"""The macros of templates/ui as Jinja globals, so that whole pages and single blocks find them alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from webapp.web import form_fields

UI = ("ui/layout.html", "ui/status.html", "ui/data.html", "ui/messages.html", "ui/charts.html")
FORMS = ("ui/forms.html", "ui/widgets.html")


class Macros:
    """Looks a macro up by name in several templates; a template imported by a block would be out of its scope."""

    def __init__(self, app: Flask, templates: tuple[str, ...], **helpers: Callable[..., Any]) -> None:
        self._app = app
        self._templates = templates
        self._helpers = helpers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Find the macro; templates are read when first used and follow edits in debug."""
        if name in self._helpers:
            return self._helpers[name]
        for template in self._templates:
            macro = getattr(self._app.jinja_env.get_template(template).module, name, None)
            if macro is not None:
                if not self._app.debug:
                    setattr(self, name, macro)
                return macro  # type: ignore[no-any-return]
        raise AttributeError(f"No macro {name!r} in {', '.join(self._templates)}")


def register(app: Flask) -> None:
    """Offer the macros as `ui` and `forms`."""
    app.jinja_env.filters.update(field_attributes=form_fields.attributes, initials=form_fields.initials)
    app.jinja_env.globals.update(
        ui=Macros(app, UI),
        forms=Macros(app, FORMS, collect=form_fields.collect, kind_of=form_fields.kind_of),
    )
