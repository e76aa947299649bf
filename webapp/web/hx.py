"""What pages say to htmx: attributes with the nonce, what it asked for, what the answer triggers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from flask import Response, flash, g, request
from flask_babel import gettext
from flask_htmx import HTMX
from markupsafe import Markup

from adapters.kit import Message
from webapp.web.i18n import say


class Htmx(HTMX):  # type: ignore[misc]  # flask_htmx has no types
    """Flask-HTMX speaks htmx 2; this reads the request headers of htmx 4."""

    @property
    def wants_fragment(self) -> bool:
        """True when htmx will swap a part of the page in, so that one block is enough."""
        return (
            bool(self)
            and self.request_type != "full"
            and not self.boosted
            and not self.history_restore_request
        )

    @property
    def request_type(self) -> str | None:
        """`partial` or `full`, as htmx 4 tells it."""
        return request.headers.get("HX-Request-Type")

    @property
    def source_id(self) -> str | None:
        """The id of the element that sent the request."""
        return _id_of(request.headers.get("HX-Source"))

    @property
    def target_id(self) -> str | None:
        """The id of the element that will be replaced."""
        return _id_of(request.headers.get("HX-Target"))


htmx = Htmx()


def _id_of(value: str | None) -> str | None:
    """Read `tag#id`; htmx 4 sends the tag as well."""
    return value.partition("#")[2] or None if value else None


def csp_nonce() -> str:
    """The nonce of this response: the policy header, scripts and htmx attributes all carry the same one."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def hx(**attributes: object) -> Markup:
    """Print htmx attributes: `hx(get=url, target="#rows", push_url=True)`.

    Without the nonce htmx refuses the element, so every attribute goes through here. Names use `_` for `-` and
    `__` for `:` (`status__422="swap:outerMorph"`); mappings become JSON; `None` and `False` print nothing.
    """
    pairs = [
        (f"data-hx-{_attribute(name)}", _value(value)) for name, value in attributes.items() if _given(value)
    ]
    pairs.append(("data-hx-nonce", csp_nonce()))
    return Markup(" ").join(Markup('{}="{}"').format(name, value) for name, value in pairs)


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("__", ":").replace("_", "-")


def _given(value: object) -> bool:
    return value is not None and value is not False


def _value(value: object) -> str:
    if value is True:
        return "true"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def notice(text: str | Message, tone: str = "ok", *, undo: str | None = None) -> dict[str, str]:
    """A short message for the corner of the page; `undo` is the URL that takes the action back."""
    message = {"text": say(text), "tone": tone}
    return message | {"undo": undo, "undo_label": gettext("Undo")} if undo else message


def notify(text: str | Message, tone: str = "ok", *, undo: str | None = None) -> None:
    """Show a notice on the next whole page, after a redirect."""
    flash(notice(text, tone, undo=undo), tone)  # type: ignore[arg-type]  # kept as JSON in the session


def respond(
    body: str | Response = "",
    status: int = 200,
    *,
    toast: dict[str, str] | None = None,
    events: Mapping[str, object] | None = None,
    **headers: str,
) -> Response:
    """Answer an htmx request: `respond(html, toast=notice(_("Saved.")), redirect=url, push_url=url)`.

    `events` are dispatched on the document; `headers` become `HX-…` headers with `_` for `-`.
    """
    response = body if isinstance(body, Response) else Response(body, status)
    told = dict(events or {}) | ({"toast": toast} if toast else {})
    if told:
        response.headers["HX-Trigger"] = json.dumps(told)
    for name, value in headers.items():
        response.headers[f"HX-{name.replace('_', '-').title()}"] = value
    return response
