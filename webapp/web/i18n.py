"""Language, time zone and the words of messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel.support import NullTranslations
from flask import Flask, g, has_request_context, request
from flask_babel import (
    Babel,
    format_datetime,
    format_decimal,
    format_timedelta,
    get_locale,
    get_translations,
    gettext,
    to_user_timezone,
)
from flask_login import current_user
from markupsafe import Markup

from adapters.kit import Message

LOCALES = {"en": "English", "zh_Hans_CN": "简体中文"}
LOCALE_COOKIE = "locale"
TIMEZONE_COOKIE = "timezone"
_RELATIVE_WITHIN_S = 24 * 3600
_WORDS_MOST = 5_000
available_zones = cache(available_timezones)


def register(app: Flask) -> None:
    """Install Flask-Babel and the filters that print words and times."""
    Babel(app, default_locale="en", locale_selector=choose_locale, timezone_selector=choose_timezone)
    app.jinja_env.filters.update(say=say, moment=format_datetime, number=number)
    app.jinja_env.globals.update(
        _=words,
        say=say,
        time_tag=time_tag,
        html_lang=html_lang,
        locales=LOCALES,
        locale_code=lambda: str(get_locale() or "en"),
    )


def choose_locale() -> str:
    """The language of the user's profile, else of the cookie, else of the browser."""
    for wanted in (getattr(current_user, "locale", None), request.cookies.get(LOCALE_COOKIE)):
        if wanted in LOCALES:
            return str(wanted)
    for wanted in request.accept_languages.values():
        if match := match_language(wanted):
            return match
    return "en"


def match_language(tag: str) -> str | None:
    """Map a browser's language tag on a language we have: every Chinese gets the Chinese there is."""
    language = tag.replace("_", "-").split("-")[0].lower()
    return {"zh": "zh_Hans_CN", "en": "en"}.get(language)


def choose_timezone() -> str:
    """The zone of the user's profile, else of the cookie that the browser set, else UTC."""
    for wanted in (getattr(current_user, "timezone", None), request.cookies.get(TIMEZONE_COOKIE)):
        if wanted in available_zones():
            return str(wanted)
    return "UTC"


def html_lang() -> str:
    """The value of the `lang` attribute of the page."""
    return "zh-CN" if str(get_locale()) == "zh_Hans_CN" else "en"


class Words:
    """The words of one language; a page says hundreds of them, so those without values are made once."""

    def __init__(self, translations: NullTranslations) -> None:
        self._text = translations.ugettext
        self._plain: dict[str, Markup] = {}

    def text(self, msgid: str) -> str:
        """The words as they are, for code."""
        return str(self._text(msgid))

    def plain(self, msgid: str) -> Markup:
        """The words for a template."""
        found = self._plain.get(msgid)
        if found is None:
            found = Markup(self._text(msgid)) % {}  # noqa: S704 - our own catalogue
            if len(self._plain) < _WORDS_MOST:
                self._plain[msgid] = found
        return found

    def filled(self, msgid: str, values: Mapping[str, object]) -> Markup:
        """The words for a template, with values that are escaped."""
        return Markup(self._text(msgid)) % values  # noqa: S704 - our own catalogue


_words_of = lru_cache(8)(Words)


def _spoken() -> Words:
    """The words of the reader's language; Flask-Babel would look the language up anew for each of them."""
    if not g:
        return Words(get_translations())
    found: Words | None = g.get("words")
    if found is None:
        found = g.words = _words_of(get_translations())
    return found


def words(msgid: str, **values: object) -> Markup:
    """`_("…")` of the templates."""
    return _spoken().filled(msgid, values) if values else _spoken().plain(msgid)


def number(value: float | None) -> str:
    """A number in the reader's language; all of ours put a comma between thousands."""
    return f"{value:,}" if isinstance(value, int) else str(format_decimal(value))


def stamp(moment: datetime) -> str:
    """A moment in the reader's zone, to the second."""
    return f"{to_user_timezone(moment):%Y-%m-%d %H:%M:%S}"


def say(text: Message | str | None) -> str:
    """Say a message in the reader's language; messages inside its values are translated as well."""
    if text is None:
        return ""
    if isinstance(text, Message):
        return _fill(_spoken().text(text.msgid), text.values)
    return _spoken().text(text) if text else ""


def _fill(sentence: str, values: Mapping[str, object]) -> str:
    if not values:
        return sentence
    return sentence % {
        name: say(value) if isinstance(value, Message) else value for name, value in values.items()
    }


def time_tag(moment: datetime | None, *, now: datetime | None = None, style: str = "auto") -> Markup | str:
    """A `time` element: relative within a day, else the date; the full time in the reader's zone on hover.

    `style` is `auto`, `full` (date and time) or `clock` (time of day with seconds).
    """
    if moment is None:
        return "–"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    full = stamp(moment)
    shown = {"full": full, "clock": full[11:]}.get(style) or _relative(moment, now or datetime.now(UTC))
    return Markup('<time datetime="{}" title="{} {}">{}</time>').format(
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), full, zone_name(), shown
    )


def _relative(moment: datetime, now: datetime) -> str:
    age = (now - moment).total_seconds()
    if abs(age) < 45:  # noqa: PLR2004
        return str(gettext("just now"))
    if abs(age) < _RELATIVE_WITHIN_S:
        return str(format_timedelta(moment - now, add_direction=True, threshold=0.95))
    this_year = to_user_timezone(moment).year == to_user_timezone(now).year
    return str(format_datetime(moment, "MM-dd HH:mm" if this_year else "yyyy-MM-dd HH:mm"))


def zone_name() -> str:
    """The zone in which times are shown, as its IANA name."""
    return choose_timezone() if has_request_context() else str(ZoneInfo("UTC"))
