"""Writers of the log take turns where the database has one write lock for all."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sqlalchemy import Engine

from webapp.db import locked_file


def one_writer(engine: Engine) -> AbstractContextManager[None]:
    """Processes that drain into the same SQLite file take turns: waiting for its own lock would starve some."""
    if engine.dialect.name == "sqlite":
        return locked_file(Path(f"{engine.url.database}.drain.lock"))
    return nullcontext()
