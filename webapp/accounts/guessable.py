"""Passwords anybody would try first: well-known words, keyboard walks, repeats, and the words at hand.

The words are our own short list. A password is refused when little is left of it once they are taken out, so
that a long one that merely contains a common word still passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

MIN_DISTINCT = 5
MIN_LEFT = 10
MIN_LETTERS_LEFT = 4
MIN_WALK = 4
MIN_CONTEXT = 3

WORDS = frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())
WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qwertzuiop",
    "azertyuiop",
    "!@#$%^&*()",
)
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")


def is_guessable(password: str, context: Iterable[str] = ()) -> bool:
    """Tell whether a password falls to the first thousand guesses; context: product, host, name, address."""
    text = password.casefold()
    if len(set(text)) < MIN_DISTINCT:
        return True
    words = sorted(WORDS | _pieces(context), key=len, reverse=True)
    return any(_is_mostly(spelling, words) for spelling in {text, text.translate(_LOOKALIKES)})


def _is_mostly(text: str, words: list[str]) -> bool:
    left = text
    for word in words:
        left = left.replace(word, "\0")
    left = _without_walks(left)
    if left == text:
        return False
    left = left.replace("\0", "")
    return len(left) < MIN_LEFT and sum(character.isalpha() for character in left) < MIN_LETTERS_LEFT


def _without_walks(text: str) -> str:
    left, position = [], 0
    while position < len(text):
        length = _walk_at(text, position)
        left.append("\0" if length else text[position])
        position += length or 1
    return "".join(left)


def _walk_at(text: str, start: int) -> int:
    """Return how long the walk is that begins here, or 0 when it is too short to matter."""
    end = start + MIN_WALK
    if end > len(text) or not _is_walk(text[start:end]):
        return 0
    while end < len(text) and _is_walk(text[start : end + 1]):
        end += 1
    return end - start


def _is_walk(piece: str) -> bool:
    return len(set(piece)) == 1 or any(piece in walk or piece[::-1] in walk for walk in WALKS)


def _pieces(context: Iterable[str]) -> set[str]:
    return {
        piece
        for text in context
        for piece in re.split(r"[\W_]+", text.casefold())
        if len(piece) >= MIN_CONTEXT
    }
