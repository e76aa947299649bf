"""The shapes of applying a file of configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.api.history_schemas import ChangeOut
from webapp.api.schemas import Answer, Note
from webapp.registry.fields import Strict
from webapp.registry.files.reading import MOST
from webapp.registry.files.text import MOST_BYTES

Named = Annotated[str, Field(max_length=120)]


class ApplyRequest(Strict):
    """A file, and what is to happen with it."""

    document: str = Field(max_length=MOST_BYTES, description="The file: YAML, as the export writes it.")
    dry_run: bool = Field(default=True, description="Only say what it would change.")
    plan: str | None = Field(
        default=None,
        max_length=64,
        description="`plan` of the dry run; 412 when it would now do something else.",
    )
    note: Note | None = Field(
        default=None, description="Why; required unless it is a dry run, and in the history of each service."
    )
    overwrite: list[Named] = Field(
        default=[],
        max_length=MOST,
        description="Services and routes to take from the file although they were changed elsewhere.",
    )
    secrets: dict[Named, dict[Named, Any]] = Field(
        default={},
        max_length=MOST,
        description='Secrets that have to be entered, by service and name: a string, or `{"$ref": …}`.',
    )
    passphrase: str | None = Field(
        default=None,
        max_length=1000,
        description="Opens the sealed secrets of the file.",
        json_schema_extra={"writeOnly": True},
    )


class OthersOut(Answer):
    """Who changed it outside the file; `changes` is empty when nobody can tell what the file was made from."""

    revision: int = Field(description="0 for a route.")
    actor: str
    at: datetime
    changes: list[ChangeOut]


class StepOut(Answer):
    """What becomes of one entry of the file."""

    kind: Literal["service", "route"]
    name: str
    action: Literal["create", "update", "same", "conflict", "refused"]
    service_id: str | None
    service_type: str | None
    changes: list[ChangeOut]
    others: OthersOut | None
    needs: list[str] = Field(description="Secrets that have to be given in `secrets`.")


class FindingOut(Answer):
    """Something that stands in the way."""

    pointer: str = Field(description="Where in the file, after `/document`.")
    code: str
    message: str


class PlanOut(Answer):
    """What applying the file changed, or would change."""

    applied: bool
    ok: bool = Field(description="Whether nothing stands in the way.")
    plan: str
    untouched: int = Field(description="Services the file does not speak of; they are left alone.")
    steps: list[StepOut]
    errors: list[FindingOut]
