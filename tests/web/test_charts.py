"""Charts: their marks equal their numbers, and odd data draws as well."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from flask import render_template_string
from hypothesis import given
from hypothesis import strategies as st

from webapp.web.charts import MAX_POINTS, TONES, Bucket, Histogram, sparkline, strip, thin

START = datetime(2026, 11, 23, tzinfo=UTC)
STEP = timedelta(minutes=10)


def histogram(*counts):
    return Histogram([Bucket(START + index * STEP, count) for index, count in enumerate(counts)], STEP)


def bars(svg):
    """Read the drawn heights back, by tone."""
    heights = {}
    for path in ET.fromstring(svg).findall("path"):
        if (tone := path.get("class").removeprefix("mark-")) in TONES:
            heights[tone] = [float(height) for height in re.findall(r"v([\d.]+)h", path.get("d"))]
    return heights


def test_bars_are_as_high_as_their_counts():
    drawn = bars(histogram({"ok": 30, "bad": 10}, {"ok": 20}, {}).svg("Calls"))
    assert drawn == {"ok": [90, 60], "bad": [30]}


@pytest.mark.parametrize("counts", [[], [{}], [{"ok": 1}], [{"bad": 7}, {"bad": 7}]])
def test_empty_single_and_all_failed_data_draw(counts):
    chart = histogram(*counts)
    svg = ET.fromstring(chart.svg("Calls <b>"))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Calls <b>"
    assert sum(chart.totals.values()) == sum(sum(count.values()) for count in counts)


def test_smallest_bar_can_be_seen():
    assert bars(histogram({"ok": 100000}, {"bad": 1}).svg("Calls"))["bad"] == [1]


def test_figure_carries_the_numbers_and_the_brush(app):
    chart = histogram({"ok": 1200, "bad": 2}, {"ok": 5})
    with app.test_request_context():
        shown = render_template_string(
            "{{ ui.histogram(chart, 'Calls', {'ok': 'fine', 'bad': 'failed'}) }}", chart=chart
        )
    assert "fine 1,205" in shown
    assert f'data-start="{int(START.timestamp())}" data-step="600" data-count="2"' in shown
    assert shown.count('<th scope="row"') == 2
    assert "style=" not in shown


def test_strip_draws_one_path_per_tone_and_one_mark_per_state():
    marks = ["ok", "ok", "bad", "none", "warn", "ok"]
    paths = ET.fromstring(strip(marks, "4 of 6 hours healthy")).findall("path")
    assert {path.get("class"): path.get("d").count("M") for path in paths} == {
        "mark-ok": 3, "mark-warn": 1, "mark-bad": 1, "mark-none": 1,
    }  # fmt: skip


@pytest.mark.parametrize("values", [[], [None], [5.0], [5.0, 5.0], [None, 1.0, None, 3.0]])
def test_sparkline_draws_odd_data(values):
    line = ET.fromstring(sparkline(values, "p95")).find("path")
    assert (line is None) is (not any(value is not None for value in values))


@given(st.lists(st.none() | st.floats(min_value=-1e9, max_value=1e9), max_size=2000))
def test_thinning_keeps_the_extremes(values):
    kept = thin(values)
    known = [value for value in values if value is not None]
    assert len(kept) <= max(MAX_POINTS, 0)
    if known:
        assert min(value for value in kept if value is not None) == min(known)
        assert max(value for value in kept if value is not None) == max(known)
