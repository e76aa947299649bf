"""Who calls: bearer tokens with scopes. Cookies are not looked at here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import g, request

from webapp.accounts import tokens
from webapp.accounts.tokens import Caller
from webapp.extensions import runtime

P = ParamSpec("P")
R = TypeVar("R")


def scoped(scope: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Open a view to tokens that carry the scope; others get 401 or 403."""

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.caller = tokens.verify(
                runtime(), request.headers.get("Authorization"), scope, request.remote_addr
            )
            return view(*args, **kwargs)

        guarded.scope = scope  # type: ignore[attr-defined]
        return guarded

    return guard


def caller() -> Caller:
    """The program behind this request; only inside a scoped view."""
    return cast("Caller", g.caller)
