"""Text taken apart into words, the same way when it is written down as when it is looked for.

A word is a run of letters and digits; a run of Chinese, Japanese or Korean becomes its overlapping pairs, because
such text has no spaces and most of its words have two characters. Case, width and accents of form do not matter.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

TEXT_MAX = 8_000  # characters that are looked at
WORD_MAX = 64  # characters of a word that count
MOST = 256  # different words of one text

# Han with its extensions and compatibility forms, kana, hangul.
_PAIRED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_RUNS = re.compile(f"([{_PAIRED}]+)|([^\\W_{_PAIRED}]+)")
_ASCII_RUNS = re.compile("[a-z0-9]+")


def words(*texts: str | None) -> list[str]:
    """The different words of some texts, in the order of their first appearance; never raises, never too many."""
    found: dict[str, None] = {}
    for text in texts:
        if text:
            found.update(_words(text) if len(text) <= _REMEMBERED else _split(text))
        if len(found) >= MOST:
            break
    return list(found)[:MOST]


def _split(text: str) -> dict[str, None]:
    folded = text[:TEXT_MAX]
    if folded.isascii():
        return dict.fromkeys([word[:WORD_MAX] for word in _ASCII_RUNS.findall(folded.lower())])
    folded = unicodedata.normalize("NFKC", folded)[:TEXT_MAX]
    found: dict[str, None] = {}
    for run in _RUNS.finditer(folded.casefold()):
        paired, word = run.groups()
        if word:
            found[word[:WORD_MAX]] = None
        elif len(paired) == 1:
            found[paired] = None
        else:
            found.update(dict.fromkeys(map("".join, pairwise(paired))))
        if len(found) >= MOST:
            break
    return found


_REMEMBERED = 200
# Endpoints, operations and messages come again and again; what came before is not taken apart again.
_words = lru_cache(4_096)(_split)
