"""The language and the time zone of a reader, and how times are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask_babel import force_locale

from webapp.web.i18n import choose_timezone, match_language, time_tag

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        *(
            (tag, "zh_Hans_CN")
            for tag in ("zh", "zh-CN", "zh-SG", "zh-Hans-CN", "zh_Hans", "ZH-TW", "zh-HK", "zh-Hant")
        ),
        ("en", "en"),
        ("en-GB", "en"),
        ("de", None),
        ("", None),
    ],
)
def test_language_of_a_browser(tag, language):
    assert match_language(tag) == language


@pytest.mark.parametrize(
    ("accept", "cookie", "lang"),
    [
        ("zh-TW,en;q=0.5", "", "zh-CN"),
        ("de,zh-CN;q=0.4,en;q=0.3", "", "zh-CN"),
        ("de", "", "en"),
        ("en", "zh_Hans_CN", "zh-CN"),
        ("zh", "klingon", "zh-CN"),
    ],
)
def test_page_is_in_the_language_of_the_reader(client, accept, cookie, lang):
    if cookie:
        client.set_cookie("locale", cookie)
    assert f'<html lang="{lang}"' in client.get("/login", headers={"Accept-Language": accept}).text


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [("Asia/Shanghai", "Asia/Shanghai"), ("Mars/Base", "UTC"), ("../etc/passwd", "UTC"), ("", "UTC")],
)
def test_time_zone_comes_from_the_cookie_if_there_is_such_a_zone(app, cookie, zone):
    with app.test_request_context(headers={"Cookie": f"timezone={cookie}"}):
        assert choose_timezone() == zone


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(minutes=3), "3 minutes ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(hours=-2), "in 2 hours"),
        (timedelta(days=2), "11-21 20:00"),
        (timedelta(days=400), "2025-10-19 20:00"),
    ],
)
def test_time_is_relative_within_a_day(app, age, told):
    with app.test_request_context(headers={"Cookie": "timezone=Asia/Shanghai"}):
        assert f">{told}</time>" in time_tag(NOW - age, now=NOW)


def test_time_carries_utc_and_the_full_time_in_the_zone_of_the_reader(app):
    with app.test_request_context(headers={"Cookie": "timezone=Asia/Shanghai"}):
        tag = time_tag(NOW, now=NOW)
        assert 'datetime="2026-11-23T12:00:00Z"' in tag
        assert 'title="2026-11-23 20:00:00 Asia/Shanghai"' in tag
        assert ">20:00:00</time>" in time_tag(NOW, style="clock")
        assert ">2026-11-23 20:00:00</time>" in time_tag(NOW.replace(tzinfo=None), style="full")


def test_no_time_is_a_dash(app):
    with app.test_request_context():
        assert time_tag(None) == "–"


def test_relative_time_in_chinese(app):
    with app.test_request_context(), force_locale("zh_Hans_CN"):
        assert "3分钟前" in time_tag(NOW - timedelta(minutes=3), now=NOW)
