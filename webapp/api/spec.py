"""What each view says of itself for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pydantic import BaseModel

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Documentation:
    """One operation of the API."""

    summary: str
    tag: str
    description: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    partial: bool = False
    """Whether the body may leave out any member, as a merge patch does."""
    headers: tuple[str, ...] = ()
    """Request headers with a meaning here: names of components."""
    answers: Mapping[int, type[BaseModel] | str | None] = field(default_factory=dict)
    """Models, media types, or None for an empty answer, by status."""
    problems: tuple[int, ...] = ()
    """Statuses with problem details that are special to this operation."""


def documented(
    summary: str,
    tag: str,
    *,
    answers: Mapping[int, type[BaseModel] | str | None],
    problems: Sequence[int] = (),
    **more: Any,
) -> Callable[[View], View]:
    """Describe a view; its docstring becomes the description."""

    def describe(view: View) -> View:
        text = " ".join((view.__doc__ or "").split())
        described = Documentation(summary, tag, text, answers=answers, problems=tuple(problems), **more)
        view.documentation = described  # type: ignore[attr-defined]
        return view

    return describe


def documentation(view: Callable[..., Any]) -> Documentation | None:
    """What a view says of itself, or None."""
    return cast("Documentation | None", getattr(view, "documentation", None))


def scope(view: Callable[..., Any]) -> str | None:
    """The scope a view demands, or None when it is open."""
    return cast("str | None", getattr(view, "scope", None))
