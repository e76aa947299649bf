"""Rules for the markup of every template that a reader might forget."""

from __future__ import annotations

import re

import pytest

from webapp.web.assets import ROOT, SOURCES

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# The pretend vendor is a page of its own, outside the product and its policy.
OWN = [path for path in TEMPLATES if "sandbox" not in path.parts]

FORBIDDEN = {
    "inline style": re.compile(r"\sstyle="),
    "inline handler": re.compile(r"\son[a-z]+="),
    "htmx attribute without hx(), so without the nonce": re.compile(r"\s(data-)?hx-(?!ignore)[a-z:-]+="),
    "unescaped output": re.compile(r"\|\s*safe\b"),
    "script in the page": re.compile(r"<script(?![^>]*\bsrc=)"),
}


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT / "templates")))
@pytest.mark.parametrize("rule", FORBIDDEN)
def test_template_keeps_the_rules(path, rule):
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    if rule != "unescaped output":
        text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.DOTALL)
    assert not FORBIDDEN[rule].findall(text)


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_every_button_has_a_type(path):
    assert all("type=" in tag for tag in re.findall(r"<button\b[^>]*>", path.read_text()))


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_top_level_sets_nothing_that_a_block_alone_would_miss(path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    if "{% extends" in text:
        outside = re.sub(r"\{%-? block.*?\{%-? endblock.*?%\}", "", text, flags=re.DOTALL)
        assert not re.search(r"\{%-? (macro|from|import)\b", outside)


def test_every_icon_that_is_named_exists():
    drawn = set(re.findall(r'id="i-([a-z]+)"', (SOURCES / "icons.svg").read_text()))
    named = {
        name
        for path in OWN
        for pattern in (r'icon="([a-z]+)"', r'ui\.icon\("([a-z]+)"', r"#i-([a-z]+)")
        for name in re.findall(pattern, path.read_text())
    }
    assert named <= drawn


def test_script_holds_no_words_for_people():
    script = re.sub(r"/\*.*?\*/|//[^\n]*", "", (SOURCES / "app.js").read_text(), flags=re.DOTALL)
    strings = re.findall(r'"([^"\n]*)"', script)
    assert not [text for text in strings if re.search(r"[A-Z][a-z]+ [a-z]|[一-鿿]", text)]
