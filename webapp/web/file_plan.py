"""What a file would change, in the reader's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.kit import FieldSpec, Message, N_
from webapp.extensions import runtime
from webapp.registry.files.plan import Plan, Step
from webapp.web.comparison import Line, label_of, lines
from webapp.web.i18n import say

_ELSEWHERE = N_("%(name)s was changed elsewhere: decide which is right.")


@dataclass(frozen=True, slots=True)
class Shown:
    """One step: its differences, those of others, the secrets that are missing, and what else is wrong."""

    step: Step
    anchor: str
    lines: Sequence[Line]
    theirs: Sequence[Line]
    needs: Sequence[tuple[str, str]]
    problems: Sequence[str]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """What stands in the way, each with the place on the page where it can be put right."""
        missing = [
            (f"s-{self.step.place}-{name}", f"{self.step.name}: {label}") for name, label in self.needs
        ]
        found = [*((self.anchor, f"{self.step.name}: {text}") for text in self.problems), *missing]
        if self.step.action == "conflict":
            found.append((self.anchor, say(Message.of(_ELSEWHERE, name=self.step.name))))
        return found

    @property
    def can_be_solved(self) -> bool:
        """Whether entering secrets or a decision removes what stands in the way."""
        return self.step.action != "refused" or not self.problems


def described(plan: Plan) -> list[Shown]:
    """Every step that does something or cannot be done."""
    return [_shown(number, step) for number, step in enumerate(plan.steps) if step.action != "same"]


def _shown(number: int, step: Step) -> Shown:
    specs = _specs(step.service_type)
    known = {spec.name: spec for spec in specs}
    problems = [
        f"{_place(flaw.pointer)}{say(flaw.message)}" for flaw in step.flaws if flaw.field not in step.needs
    ]
    return Shown(
        step,
        f"step-{number}",
        lines(step.changes, specs),
        lines(step.others.changes, specs) if step.others else [],
        [(name, label_of(name, known)) for name in step.needs],
        problems,
    )


def _place(pointer: str) -> str:
    """Where in its entry, unless it is about the whole of it."""
    below = pointer.split("/")[3:]
    return f"{'/'.join(below)}: " if below else ""


def _specs(service_type: str | None) -> Sequence[FieldSpec]:
    entry = runtime().catalog.get(service_type or "")
    return entry.adapter.Config.specs() if entry and entry.adapter else ()
