"""How headers and bodies lie in the database: JSON, compressed, apart from the rows that lists read."""

from __future__ import annotations

import json
import zlib

from sqlalchemy import RowMapping

from webapp.log.entries import Bodies

_MEMBERS = ("request_headers", "request_payload", "response_headers", "response_payload")


def pack(log_id: int, bodies: Bodies) -> dict[str, object]:
    """The row of `call_bodies`; small texts are compressed too, so that one way of reading is enough."""
    row: dict[str, object] = {"log_id": log_id, "compressed": "zlib"}
    for name in _MEMBERS:
        value = getattr(bodies, name)
        row[name] = (
            None if value is None else zlib.compress(json.dumps(value, ensure_ascii=False).encode(), 6)
        )
    return row


def unpack(row: RowMapping) -> Bodies:
    """What was packed."""
    values = {name: row[name] for name in _MEMBERS if row[name] is not None}
    return Bodies(**{name: json.loads(zlib.decompress(value)) for name, value in values.items()})
