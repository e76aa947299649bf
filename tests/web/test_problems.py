"""Every code has its page in both languages and its entry in the documentation."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from adapters.kit import Message
from webapp.engine.code_help import ACTORS, EFFECTS, GROUPS, HELP, REPEATS, every_code
from webapp.engine.problems import PatchbayError, translated

ROOT = Path(__file__).parents[2]
CODES = every_code()


def section(code):
    """What the documentation says under the heading of a code."""
    text = (ROOT / "docs" / "errors.md").read_text()
    assert f"\n### {code}\n" in text, f"docs/errors.md says nothing about {code}"
    return text.partition(f"\n### {code}\n")[2].partition("\n#")[0]


def test_every_code_is_explained_and_nothing_else():
    assert set(HELP) == set(CODES)
    assert sorted(name for _, names in GROUPS for name in names) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_documentation_says_the_same_as_the_code(code):
    meaning, help_, text = CODES[code], HELP[code], section(code)

    assert f"HTTP {meaning.status} ·" in text
    words = (
        meaning.title,
        meaning.remedy,
        help_.meaning,
        EFFECTS[help_.effect],
        REPEATS[help_.repeat],
        ACTORS[help_.actor],
    )
    assert [word for word in words if word not in text] == []


def test_every_code_has_its_page(viewer_client):
    index = viewer_client.get("/help/errors").text
    for code in CODES:
        assert f'href="/help/errors/{code}"' in index
        page = viewer_client.get(f"/help/errors/{code}")
        text = unescape(page.text)
        assert page.status_code == 200
        assert CODES[code].title in text
        assert HELP[code].meaning in text
        assert CODES[code].remedy in text


def test_the_name_of_a_problem_type_leads_to_its_page(viewer_client):
    problem = PatchbayError("AMBIGUOUS_OUTCOME", Message.of("x")).to_problem()
    name = str(problem["type"]).removeprefix("urn:patchbay:problem:")

    assert "AMBIGUOUS_OUTCOME" in viewer_client.get(f"/help/errors/{name}").text


def test_an_unknown_code_has_no_page(viewer_client):
    assert viewer_client.get("/help/errors/NO_SUCH_CODE").status_code == 404


def test_strangers_sign_in_first(client):
    assert client.get("/help/errors").status_code in {302, 303, 401}


def test_sentences_hold_no_gaps_to_fill():
    for code, help_ in HELP.items():
        for text in (help_.meaning, CODES[code].title, CODES[code].remedy):
            assert translated(Message.of(text), str) == text
