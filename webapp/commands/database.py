"""What every command says while there is no database to work with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

_TOLD = "tells_of_the_database"


def tell(command: click.Command) -> None:
    """Let a command, and those below it, say in a sentence that the database cannot be used."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            tell(below)
    elif command.callback and not hasattr(command.callback, _TOLD):
        command.callback = _told(command.callback)


def _told(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def guarded(*args: Any, **options: Any) -> Any:
        try:
            return work(*args, **options)
        except DBAPIError as error:
            # Without the statement and its values, which may be anybody's.
            reason = str(error.orig).strip().partition("\n")[0]
            raise click.ClickException(
                f"The database cannot be used: {reason}. Has “flask --app wsgi init” prepared it?"
            ) from None

    setattr(guarded, _TOLD, True)
    return guarded
