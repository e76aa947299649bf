"""Calls that ended unknown and that nobody has put on the reconcile list."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, exists, select

from webapp.log.tables import calls
from webapp.models.reconcile import ReconcileItem

_MOST = 200


def unknown_calls(connection: Connection, since: int) -> Sequence[RowMapping]:
    """The rows of such calls from this id on, oldest first; at most 200."""
    listed = exists().where(ReconcileItem.call_id == calls.c.call_id)
    query = select(calls).where(calls.c.outcome == "unknown", calls.c.call_id >= since, ~listed)
    return connection.execute(query.order_by(calls.c.call_id).limit(_MOST)).mappings().all()
