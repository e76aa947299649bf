"""The colours of the style sheet can be read, and told apart, in both themes."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from webapp.web.assets import SOURCES

TOKENS = (SOURCES / "css" / "tokens.css").read_text()
TEXT, MARK = 4.5, 3.0
PAIRS = [
    *(
        (text, ground, TEXT)
        for text in ("text", "muted", "accent")
        for ground in ("page", "surface", "raised", "sunk")
    ),
    ("on-accent", "accent", TEXT),
    ("accent", "info-tint", TEXT),
    *((tone, f"{tone}-tint", TEXT) for tone in ("ok", "warn", "bad", "off")),
    *((tone, "surface", TEXT) for tone in ("ok", "warn", "bad", "off")),
    *(("text", f"{tone}-tint", TEXT) for tone in ("ok", "warn", "bad", "off", "info")),
    ("control", "surface", MARK),
    ("control", "page", MARK),
    *((f"chart-{mark}", "surface", MARK) for mark in ("ok", "warn", "bad", "none")),
]


def colours(theme):
    index = {"light": 0, "dark": 1}[theme]
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", TOKENS)
    return {name: pair[index] for name, *pair in found}


def linear(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one, other):
    light, dark = sorted(
        (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other))), reverse=True
    )
    return (light + 0.05) / (dark + 0.05)


# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
SIGHT = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def seen(colour, sight):
    """CIELAB of a colour as somebody sees it."""

    def times(matrix, vector):
        return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]

    rgb = [min(max(part, 0), 1) for part in times(SIGHT[sight], linear(colour))]
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (
            value / white for value, white in zip(times(TO_XYZ, rgb), (0.9505, 1, 1.089), strict=True)
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_contrast(theme, text, ground, least):
    have = colours(theme) | {"info": colours(theme)["accent"]}
    assert contrast(have[text], have[ground]) >= least


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_chart_marks_are_told_apart_by_everybody(theme, sight):
    marks = [seen(colours(theme)[f"chart-{mark}"], sight) for mark in ("ok", "warn", "bad", "none")]
    distances = [
        sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
        for one, other in combinations(marks, 2)
    ]
    assert min(distances) >= 15
