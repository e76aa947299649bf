"""One way of taking text apart: what was written is found again, and no text is too strange."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.log.words import MOST, WORD_MAX, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("POST https://api.SendGrid.com/v3/mail_send", ["post", "https", "api", "sendgrid", "com", "v3", "mail", "send"]),
        ("余额不足,请充值", ["余额", "额不", "不足", "请充", "充值"]),
        ("手机15号", ["手机", "15", "号"]),
        ("ＡＢＣ Straße CAFE\N{COMBINING ACUTE ACCENT}", ["abc", "strasse", "café"]),
        ("isv.BUSINESS_LIMIT_CONTROL", ["isv", "business", "limit", "control"]),
        ("msg-0190a2b3\x00\ud800😀", ["msg", "0190a2b3"]),
        ("%_'\"*", []),
        ("", []),
        (None, []),
    ],
)  # fmt: skip
def test_words_of_a_text(text, expected):
    assert words(text) == expected


@given(st.lists(st.text(st.characters(codec=None)), max_size=4))
def test_no_text_is_too_strange(texts):
    found = words(*texts)

    assert len(found) == len(set(found)) <= MOST
    assert all(word and len(word) <= WORD_MAX and not any(map(str.isspace, word)) for word in found)
    assert words(" ".join(found)) == found or any(len(word) == WORD_MAX for word in found)


@pytest.mark.parametrize("text", ["x" * 10**6, "a " * 10**6, "余" * 10**6, "ﷺ" * 10**5, "\x00" * 10**6])
def test_enormous_texts_are_cut(text):
    assert len(words(text)) <= MOST
