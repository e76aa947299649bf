"""Two revisions of a service side by side: field by field, lists by item, secrets only as changed or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models.revision import ServiceRevision
from webapp.models.secret import Secret

Kind = Literal["added", "removed", "changed", "unchanged"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference. `path` leads through nested members and list items; secrets have neither old nor new."""

    path: Path
    change: Kind
    old: Any = None
    new: Any = None
    secret: bool = False

    @property
    def name(self) -> str:
        """The member of the service, or of its settings, that it belongs to."""
        return str(self.path[1] if self.path[0] in {"configurations", "secrets"} else self.path[0])

    @property
    def item(self) -> tuple[str | int, ...]:
        """The way below that member; empty when the whole member changed."""
        return self.path[2:] if self.path[0] in {"configurations", "secrets"} else self.path[1:]

    def to_dict(self) -> dict[str, Any]:
        """The members of the JSON API."""
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in self.path)
        told = {"pointer": pointer, "change": self.change}
        return told if self.secret else told | {"old": self.old, "new": self.new}


def compare(
    session: Session, old: ServiceRevision, new: ServiceRevision, secrets: Collection[str]
) -> list[FieldChange]:
    """What is different in `new`, then every secret of either with the word for it.

    `secrets` are the settings the adapter calls secret today: should an old revision hold one in plain, it is
    not shown.
    """
    return [
        *_members(plain_of(old.snapshot, secrets), plain_of(new.snapshot, secrets), ()),
        *secret_changes(session, old.secrets, new.secrets),
    ]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldChange]:
    """What is different in `new`, member by member."""
    return list(_members(old, new, ()))


def plain_of(snapshot: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """A snapshot without what is a secret today."""
    settings = snapshot.get("configurations") or {}
    shown = {name: value for name, value in settings.items() if name not in secrets}
    return {**snapshot, "configurations": shown}


def secret_changes(session: Session, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[FieldChange]:
    """Every secret with one word; the same value stored twice counts as unchanged."""
    marks = _fingerprints(session, {*old.values(), *new.values()})
    for name in sorted({**old, **new}):
        before, after = (marks.get(at.get(name, ""), at.get(name)) for at in (old, new))
        yield FieldChange(("secrets", name), _kind(before, after), secret=True)


def _fingerprints(session: Session, ids: Collection[str]) -> dict[str, str]:
    """Keyed fingerprints by the id of the row; rows that are gone have none."""
    query = select(Secret.id, Secret.fp).where(Secret.id.in_(ids), Secret.fp.is_not(None))
    return {secret_id: f"fp:{mark}" for secret_id, mark in session.execute(query)}


def _members(old: Any, new: Any, path: Path) -> Iterator[FieldChange]:
    """Go down to where two values differ; absent and null are the same."""
    if old == new:
        return
    if _is_object(old) and _is_object(new) and path[:1] != ("secrets",):
        before, after = old or {}, new or {}
        for name in {**before, **after}:
            yield from _members(before.get(name), after.get(name), (*path, name))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(old, new, path)
    else:
        yield FieldChange(path, _kind(old, new), old, new)


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, Mapping)


def _items(old: Sequence[Any], new: Sequence[Any], path: Path) -> Iterator[FieldChange]:
    """Items taken out, by their place before; items put in, by their place now."""
    matcher = SequenceMatcher(
        None, [repr(item) for item in old], [repr(item) for item in new], autojunk=False
    )
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        for at in range(start, end):
            yield FieldChange((*path, at), "removed", old=old[at])
        for at in range(new_start, new_end):
            yield FieldChange((*path, at), "added", new=new[at])


def _kind(old: Any, new: Any) -> Kind:
    if old == new:
        return "unchanged"
    if old is None:
        return "added"
    return "removed" if new is None else "changed"
