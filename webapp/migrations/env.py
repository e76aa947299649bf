"""How Alembic reaches the database: over the connection it was handed, on the metadata of all tables."""

from __future__ import annotations

from alembic import context

import webapp.log.rollups_tables
import webapp.log.tables
import webapp.models  # noqa: F401 - all register their tables
from webapp.models.base import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
