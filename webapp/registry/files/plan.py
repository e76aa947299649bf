"""What applying a file does, or would do: one step for each entry, each with its differences and its obstacles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from adapters.kit import Message, N_
from webapp.registry.compare import FieldChange
from webapp.registry.errors import Conflict, Flaw, Invalid, RegistryError
from webapp.registry.shape import moment

Kind = Literal["service", "route"]
Action = Literal["create", "update", "same", "conflict", "refused"]
STOPS = frozenset({"conflict", "refused"})


@dataclass(frozen=True, slots=True)
class Others:
    """Who changed the same thing outside the file, when, and what; `changes` is empty when nobody can tell."""

    revision: int
    actor: str
    at: datetime
    changes: Sequence[FieldChange] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the file. `needs` names the secrets that have to be entered before it can be applied."""

    kind: Kind
    place: int
    name: str
    action: Action
    service_id: str | None = None
    service_type: str | None = None
    changes: Sequence[FieldChange] = ()
    others: Others | None = None
    needs: Sequence[str] = ()
    flaws: Sequence[Flaw] = ()
    stored: str = ""
    """A mark of what was stored before: the revision of a service, the digest of a route."""

    def to_dict(self) -> dict[str, Any]:
        """The members of the JSON API; sentences are put in by it."""
        others = self.others and {
            "revision": self.others.revision,
            "actor": self.others.actor,
            "at": moment(self.others.at),
            "changes": [change.to_dict() for change in self.others.changes],
        }
        return {
            "kind": self.kind,
            "name": self.name,
            "action": self.action,
            "service_id": self.service_id if self.stored else None,
            "service_type": self.service_type,
            "changes": [change.to_dict() for change in self.changes],
            "others": others,
            "needs": list(self.needs),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps in the order of the file, and the services it does not speak of, which are left alone."""

    steps: Sequence[Step]
    untouched: int
    digest: str = field(default="", compare=False)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return not any(step.action in STOPS for step in self.steps)

    @property
    def empty(self) -> bool:
        """Whether applying it changes nothing."""
        return all(step.action == "same" for step in self.steps)

    def count(self, action: Action) -> int:
        """How many steps do this."""
        return sum(step.action == action for step in self.steps)

    def refusal(self) -> RegistryError | None:
        """Why it cannot be applied: conflicts if that is all, else everything that is wrong."""
        flaws = [flaw for step in self.steps for flaw in step.flaws]
        if flaws:
            return Invalid(flaws)
        names = [step.name for step in self.steps if step.action == "conflict"]
        if not names:
            return None
        text = N_("Changed elsewhere since the file was made: %(names)s. Nothing was stored.")
        found = [_conflict(step) for step in self.steps if step.action == "conflict"]
        return Conflict("FILE_CONFLICT", Message.of(text, names=", ".join(names)), found)


def digest_of(text: str, steps: Sequence[Step]) -> str:
    """A mark of a file and of what was stored when somebody looked at it: both decide what it does."""
    marks = [[step.kind, step.name, step.service_id if step.stored else "", step.stored] for step in steps]
    parts = json.dumps([text, marks], ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _conflict(step: Step) -> Flaw:
    message = Message.of(N_("It was changed elsewhere since the file was made."))
    return Flaw.at(f"{step.kind}s", step.place, code="conflict", message=message)
