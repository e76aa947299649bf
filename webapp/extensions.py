"""The Flask extensions, unbound, and the way to what this application runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import Engine

from webapp.models.base import Base

if TYPE_CHECKING:
    from webapp.runtime import Runtime

KEY = "patchbay"


class Database(SQLAlchemy):
    """Flask-SQLAlchemy's scoped session over the engine that everything else uses as well."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:  # noqa: ARG002
        """Hand over the engine of the runtime instead of making a second one."""
        return cast("Runtime", app.extensions[KEY]).engine


db = Database(metadata=Base.metadata)
login = LoginManager()
csrf = CSRFProtect()


def runtime() -> Runtime:
    """Return what the current application runs on; needs an application context."""
    return cast("Runtime", current_app.extensions[KEY])
