"""The shapes of comparing revisions and of going back to one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from webapp.api.schemas import Answer, Note
from webapp.registry.fields import Strict


class ChangeOut(Answer):
    """One difference; of a secret only whether it changed."""

    pointer: str = Field(
        description="Where, as a JSON pointer into the snapshot; items of lists by their place."
    )
    change: Literal["added", "removed", "changed", "unchanged"]
    old: Any = Field(default=None, description="Absent for secrets.")
    new: Any = Field(default=None, description="Absent for secrets.")


class ComparisonOut(Answer):
    """What is different between two revisions."""

    old: int
    new: int
    changes: list[ChangeOut]


class RestoreRequest(Strict):
    """Secrets that have to be typed again, by name; null goes back without one."""

    configurations: dict[str, str | None] = Field(default_factory=dict)
    note: Note | None = None
