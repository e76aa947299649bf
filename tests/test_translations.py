"""The Chinese catalogue holds what the sources say, all of it and nothing else, and reads like Chinese."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask_babel import force_locale

from adapters.kit import Message
from webapp.web.i18n import LOCALES, say
from webapp.web.states import STATES

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "translations" / "zh_Hans_CN" / "LC_MESSAGES" / "messages.po"
KEYWORDS = {**DEFAULT_KEYWORDS, "N_": None, "_l": None}
# Sentences become messages by these names; a literal given to one of them directly is never extracted.
MAKERS = {"Message", "of", "wrap", "notify", "flash"}
FAULTS = {"Misconfigured", "Forbidden", "Refused", "Unsupported", "Throttled", "Exhausted"} | {
    "Unavailable", "Unsure", "Unreachable", "Blocked",
}  # fmt: skip
SAMPLES = {ROOT / "webapp" / "web" / "styleguide.py"}
HAN = r"[\u4e00-\u9fff]"
PLACE = re.compile(r"%\(\w+\)s")


def of_sources():
    """Every message of the sources: context and msgid, with the plural where there is one."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(ROOT, methods, options, KEYWORDS, directory_filter=is_ours)
    return {(context, message) for _path, _line, message, _comments, context in found}


def is_ours(folder):
    """Whether sources may be in a folder; others are large."""
    return Path(folder).name[0] not in "._" and Path(folder).name not in {"node_modules", "static", "tests"}


def of_catalogue():
    with CATALOGUE.open("rb") as file:
        return [message for message in read_po(file, locale="zh_Hans_CN") if message.id]


@pytest.fixture(scope="module")
def messages():
    """The entries of the catalogue."""
    return of_catalogue()


def words(message):
    """The Chinese of a message; there is one form for any number."""
    return message.string[0] if message.pluralizable else message.string


def english(message):
    """The English of a message, in its most telling form."""
    return message.id[1] if message.pluralizable else message.id


def test_catalogue_is_what_the_sources_say(messages):
    wanted = of_sources()
    held = {(message.context, message.id) for message in messages}
    assert wanted - held == set(), "run make messages and translate what is new"
    assert held - wanted == set(), "run make messages to drop what is gone"


def test_everything_is_translated(messages):
    assert [message.id for message in messages if not words(message)] == []
    assert [message.id for message in messages if message.fuzzy] == []
    assert [message.id for message in messages if message.pluralizable and len(message.string) != 1] == []


def test_places_for_values_are_kept(messages):
    def places(text):
        return sorted(place for place in PLACE.findall(text) if place != "%(num)s")

    wrong = {
        message.id: words(message)
        for message in messages
        if places(words(message)) != places(english(message)) or "%" in PLACE.sub("", words(message))
    }
    assert wrong == {}


def test_chinese_sentences_have_chinese_punctuation(messages):
    narrow = re.compile(rf"{HAN}[,;:?!.()]|[,;:?!]\s*{HAN}|\s[，。；：？！、（）]|[，。；：？！、（）]\s")
    assert {message.id: words(message) for message in messages if narrow.search(words(message))} == {}


def test_chinese_and_latin_words_stand_apart(messages):
    touching = re.compile(rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}")
    wrong = {
        message.id: words(message) for message in messages if touching.search(PLACE.sub("|", words(message)))
    }
    assert wrong == {}


def test_a_sentence_ends_in_both_languages_or_in_neither(messages):
    ends = {".": "。", "?": "？", ":": "：", "…": "…"}
    wrong = {
        message.id: words(message)
        for message in messages
        if " " in english(message)
        and ends.get(english(message)[-1], "") != re.sub(r"[^。？：…]", "", words(message)[-1:])
    }
    assert wrong == {}


def test_catalogue_holds_no_places_and_no_dates():
    text = CATALOGUE.read_text()
    assert "\n#: " not in text
    assert "Date:" not in text


@pytest.mark.parametrize(("folder", "makers"), [("adapters", MAKERS | FAULTS), ("webapp", MAKERS)])
def test_messages_are_marked_where_they_are_written(folder, makers):
    unmarked = [
        f"{path.relative_to(ROOT)}:{call.lineno} {call.args[0].value}"
        for path in (ROOT / folder).rglob("*.py")
        if path not in SAMPLES
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and call.args and called(call) in makers and is_sentence(call.args[0])
    ]
    assert unmarked == []


def called(call):
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def is_sentence(node):
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in re.sub(r"%\(\w+\)s", "", node.value)
    )


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("healthy", "正常"),
        ("degraded", "降级"),
        ("pending", "复核中"),
        ("down", "故障"),
        ("reauth", "需重新授权"),
        ("late", "检查超时"),
        ("unknown", "未检测"),
        ("disabled", "已停用"),
        ("maintenance", "维护中"),
    ],
)
def test_states_have_their_words(app, state, word):
    with app.test_request_context(), force_locale("zh_Hans_CN"):
        assert say(STATES[state].label) == word


def test_a_word_with_two_meanings_has_a_context(messages):
    held = {(message.context, message.id): words(message) for message in messages}
    assert held[None, "Down"] == "故障"
    assert held["order", "Down"] == "下移"


def test_messages_are_said_in_chinese_with_their_values(app):
    inner = Message("The connection was refused.")
    with app.test_request_context(), force_locale("zh_Hans_CN"):
        assert say(Message.of("%(name)s: %(reason)s", name="Mail", reason=inner)) == "Mail：连接被拒绝。"


def test_a_page_is_in_chinese(client):
    text = client.get("/login", headers={"Accept-Language": "zh-CN"}).text
    assert '<html lang="zh-CN"' in text
    assert "登录" in text


def test_there_is_a_catalogue_for_every_language_but_english():
    folders = {path.parent.parent.name for path in (ROOT / "translations").glob("*/LC_MESSAGES/messages.po")}
    assert folders == set(LOCALES) - {"en"}
