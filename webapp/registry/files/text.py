"""The YAML of our files, read strictly and written so that it reads back the same.

Words mean what they say: `no` and `010` are texts, as YAML 1.2 has it. There are no aliases, so a small file cannot
become a large one, no name occurs twice, and the only tags are those of the stubs that stand for secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml  # type: ignore[import-untyped]

from adapters.kit import Message, N_
from webapp.registry.errors import Flaw, Invalid

MOST_BYTES = 256 * 1024
DEEPEST = 20
WIDTH = 110
_CORE = "tag:yaml.org,2002:"
_NUMBER = "-0123456789"
# What a plain scalar is, by the characters it may begin with; all else is text.
_PLAIN = (
    ("null", r"(?:~|null)?$", ("~", "n", "")),
    ("bool", r"(?:true|false)$", ("t", "f")),
    ("int", r"-?(?:0|[1-9][0-9]{0,18})$", _NUMBER),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?$", _NUMBER),
)
_BASE: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class Stub:
    """What stands for a secret: `!keep` what is stored, `!ref` where it is, `!sealed` it under a passphrase."""

    kind: Literal["keep", "ref", "sealed"]
    value: str = ""


KEEP = Stub("keep")


class _Refused(yaml.YAMLError):  # type: ignore[misc]
    """What YAML allows and we do not."""

    def __init__(self, msgid: str, mark: Any) -> None:
        super().__init__(msgid)
        self.msgid, self.problem_mark = msgid, mark


class _Loader(_BASE):  # type: ignore[misc]
    """Makes texts, numbers, lists, objects and stubs, and nothing else."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the library's way
    yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes what any reader might take for something else."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def choose_scalar_style(self) -> str:
        return "" if self.event.tag == "!keep" else str(super().choose_scalar_style())


def load(text: str) -> Any:
    """The document in a text. Raises Invalid with the line where it cannot be read."""
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise _invalid(Message.of(N_("A file has at most %(count)s KiB."), count=MOST_BYTES // 1024))
    try:
        _survey(text)
        # This loader makes plain values only.
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # nosec B506
    except _Refused as refused:
        raise _invalid(Message.of(refused.msgid, line=_line(refused))) from None
    except yaml.YAMLError as error:
        raise _invalid(Message.of(N_("Line %(line)s is not YAML."), line=_line(error))) from None
    except UnicodeError:
        raise _invalid(Message.of(N_("The file holds characters that no text has."))) from None


def dump(document: Mapping[str, Any]) -> str:
    """A document as text, its members in their order."""
    written: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return written


def _survey(text: str) -> None:
    """Refuse what is too deep or refers to itself, before anything is made of it."""
    deep = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(N_("Line %(line)s: aliases are not read here; write it out."), event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            deep += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            deep -= 1
        if deep > DEEPEST:
            raise _Refused(N_("Line %(line)s: this is nested too deeply."), event.start_mark)


def _line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def _invalid(message: Message) -> Invalid:
    return Invalid([Flaw("", "not_yaml", message)])


def _text(loader: Any, node: Any) -> str:
    value: str = loader.construct_scalar(node)
    value.encode()  # the half of a character is none
    return value


def _members(loader: Any, node: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in node.value:
        name = loader.construct_object(key, deep=True)
        if not isinstance(name, str):
            raise _Refused(N_("Line %(line)s: a name is a text."), key.start_mark)
        if name in members:
            raise _Refused(N_("Line %(line)s: this name occurs twice."), key.start_mark)
        members[name] = loader.construct_object(value, deep=True)
    return members


def _number(loader: Any, node: Any) -> float:
    number = float(loader.construct_scalar(node))
    if number in (float("inf"), float("-inf")):
        raise _Refused(N_("Line %(line)s: this number is too large."), node.start_mark)
    return number


def _stub(loader: Any, node: Any) -> Stub:
    kind = node.tag.removeprefix("!")
    if not isinstance(node, yaml.ScalarNode):
        raise _Refused(N_("Line %(line)s: this tag stands before a text."), node.start_mark)
    return Stub(kind, _text(loader, node).strip())


def _unknown(_loader: Any, node: Any) -> None:
    raise _Refused(N_("Line %(line)s: this tag means nothing here."), node.start_mark)


def _plain(make: Any) -> Any:
    """Make a value of what looks like one; a tag may have been written before something else."""

    def construct(loader: Any, node: Any) -> Any:
        looks = isinstance(node, yaml.ScalarNode) and loader.resolve(
            yaml.ScalarNode, node.value, (True, False)
        )
        return make(loader, node) if looks == node.tag else _unknown(loader, node)

    return construct


_MAKERS: dict[str | None, Any] = {
    None: _unknown,
    f"{_CORE}null": _plain(lambda *_: None),
    f"{_CORE}bool": _plain(lambda _, node: node.value == "true"),
    f"{_CORE}int": _plain(lambda _, node: int(node.value)),
    f"{_CORE}float": _plain(_number),
    f"{_CORE}str": lambda loader, node: _text(loader, node) if isinstance(node, yaml.ScalarNode) else _unknown(loader, node),
    f"{_CORE}seq": lambda loader, node: loader.construct_sequence(node, deep=True),
    f"{_CORE}map": lambda loader, node: _members(loader, node) if isinstance(node, yaml.MappingNode) else _unknown(loader, node),
    **{f"!{kind}": _stub for kind in ("keep", "ref", "sealed")},
}  # fmt: skip
_Loader.yaml_constructors.update(_MAKERS)
for _kind, _form, _begins in _PLAIN:
    for _first in _begins:
        _Loader.yaml_implicit_resolvers.setdefault(_first, []).append((f"{_CORE}{_kind}", re.compile(_form)))
# What this reader takes for a number is quoted, beside what readers of YAML 1.1 do.
_Dumper.add_implicit_resolver(f"{_CORE}float", re.compile(_PLAIN[3][1]), list(_NUMBER))
_Dumper.add_representer(Stub, lambda dumper, stub: dumper.represent_scalar(f"!{stub.kind}", stub.value))


def _lines(dumper: Any, value: str) -> Any:
    """Keep lines as lines: certificates are compared by people."""
    style = (
        "|" if "\n" in value.strip("\n") and value == value.strip() + "\n" * value.endswith("\n") else None
    )
    return dumper.represent_scalar(f"{_CORE}str", value, style=style)


_Dumper.add_representer(str, _lines)
