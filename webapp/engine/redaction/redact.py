"""The redactor: headers, addresses, bodies and messages in a form that may be stored."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count, islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from webapp.engine.redaction import shapes
from webapp.engine.redaction.bodies import describe_binary, describe_mail, describe_multipart
from webapp.engine.redaction.known import KnownSecrets
from webapp.engine.redaction.names import Kind, kind_of
from webapp.engine.redaction.spans import MASK, Span, hide
from webapp.engine.redaction.verbatim import inside_a_string, names_tell, verbatim

FAILED = "<redaction failed>"
HEAD, TAIL = 12 * 1024, 4 * 1024
_MARGIN = 8 * 1024  # looked at beyond the cut, so that what lies across it is recognised
_WHOLE_MAX = 32 * 1024
_JSON_MAX = 64 * 1024
_DEPTH_MAX, _DEEPEST = 64, 500
_MEMBERS_MAX = 2_000  # judged one by one; what comes after them is hidden, and mostly cut off anyway

# Everything else may carry a credential under a name we do not know.
_CLEAR_HEADERS = frozenset(
    [
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "etag",
        "host",
        "last-modified",
        "retry-after",
        "server",
        "transfer-encoding",
        "user-agent",
        "vary",
        "traceparent",
        "x-message-id",
        "x-acs-action",
        "x-acs-version",
        "x-acs-date",
        "x-correlation-id",
        "idempotency-key",
    ]
)
_CLEAR_PARTS = ("request-id", "requestid", "ratelimit", "rate-limit", "trace-id")
_SHORT, _SEEN_MAX = 64, 1_000
_encode = json.JSONEncoder(ensure_ascii=False).encode
_SCHEMES = frozenset(("bearer", "basic", "digest"))
_failing = threading.local()
_Seen = TypeVar("_Seen", str, tuple[str, str])
_log = logging.getLogger(__name__)


class Redactor:
    """Hides the secrets of one service by value, and everybody's by name and by shape.

    No method raises: what cannot be redacted is replaced by `<redaction failed>`, never shown.
    """

    def __init__(self, secrets: Iterable[str] = (), users: Iterable[str] = ()) -> None:
        """`users` are the names that travel together with a secret in one encoded credential."""
        self._known = KnownSecrets(secrets, users)
        self._seen: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._headers: dict[tuple[str, str], tuple[str, str]] = {}

    def text(self, text: str) -> str:
        """A message or any other text: whole up to 32 KiB, a longer one cut."""
        return _safely(lambda: self._whole(text) if len(text) <= _WHOLE_MAX else self._cut(text))

    def known(self, text: str) -> str:
        """A sentence of ours: only the secrets known by value are taken out."""
        return _safely(lambda: _hidden(text, self._known.spans(text)))

    def known_in(self, value: Any, depth: int = 0) -> Any:
        """A JSON-like value that goes to a caller: as it is, but for the secrets known by value."""
        if depth > _DEEPEST or not self._known:
            return MASK if depth > _DEEPEST else value
        if depth == 0 and (text := verbatim(value, HEAD + TAIL)) and not self._known.spans(text):
            return value
        if isinstance(value, str):
            return self.known(value)
        if isinstance(value, Mapping):
            return {self.known(str(name)): self.known_in(item, depth + 1) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.known_in(item, depth + 1) for item in value]
        return value

    def cut(self, text: str) -> str:
        """A long text: 12 KiB of its head and 4 KiB of its tail, cut after everything was found."""
        return _safely(lambda: self._cut(text))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers: the harmless ones in clear, of the others only the authentication scheme."""
        return dict(self._headers.get(header) or self._shown(*header) for header in headers.items())

    def _shown(self, name: str, value: str) -> tuple[str, str]:
        """A header as it is shown; short ones come again and again."""
        try:
            shown = self._short(str(name)), self._header(str(name), str(value))
        except Exception:  # noqa: BLE001 - the input must not be shown, whatever went wrong
            _report()
            return FAILED, FAILED
        return _remember(self._headers, (name, value), shown) if len(name) + len(value) <= _SHORT else shown

    def url(self, url: str) -> str:
        """An address without user information, its query values judged by their names."""
        return self._urls.get(url) or _remember(self._urls, url, _safely(lambda: self._url(url)))

    def body(self, body: bytes | None, content_type: str | None = None) -> str | None:
        """A body by its type: JSON and forms by name, mail and multipart as an outline, binary as a size and a hash."""
        return _safely(lambda: self._body(body, content_type or "")) if body else None

    def value(self, value: object) -> object:
        """A JSON-like value with everything telling in it masked, for what is stored as JSON."""
        try:
            return value if self._is_harmless(value) else self._walk(value, 0, count())
        except Exception:  # noqa: BLE001 - the input must not be shown, whatever went wrong
            return FAILED

    def _whole(self, text: str) -> str:
        return _hidden(text, self._spans(text))

    def _short(self, text: str) -> str:
        """As `_whole`, for names and the like, which come again and again."""
        if len(text) > _SHORT:
            return self._whole(text)
        return self._seen.get(text) or _remember(self._seen, text, self._whole(text))

    def _spans(self, text: str) -> list[Span]:
        return [*self._known.spans(text), *shapes.spans(text)]

    def _cut(self, text: str) -> str:
        if len(text) <= HEAD + TAIL:
            return self._whole(text)
        margin = max(_MARGIN, self._known.longest)
        head = hide(text, self._spans(text[: HEAD + margin]), stop=HEAD)
        offset = max(0, len(text) - TAIL - margin)
        found = (
            Span(span.start + offset, span.end + offset, span.shown) for span in self._spans(text[offset:])
        )
        tail = hide(text, found, start=len(text) - TAIL)
        return f"{head}\n… {len(text) - HEAD - TAIL} characters left out …\n{tail}"

    def _header(self, name: str, value: str) -> str:
        if _is_clear(name):
            return self._short(value)
        scheme, _, rest = value.partition(" ")
        return f"{scheme} {MASK}" if rest and scheme.lower() in _SCHEMES else MASK

    def _url(self, url: str) -> str:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = "&".join(
            f"{quote(name)}={quote(self._member(name, value), safe='*@')}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        )
        return self._whole(urlunsplit((parts.scheme, host, parts.path, query, "")))

    def _body(self, body: bytes, content_type: str) -> str:
        kind = content_type.partition(";")[0].strip().lower()
        if kind.startswith("multipart/"):
            return self._cut(describe_multipart(body, content_type))
        if kind in {"message/rfc822", "message/global"}:
            return self._cut(describe_mail(body))
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return describe_binary(body)
        if kind == "application/x-www-form-urlencoded" and text.count("&") < _MEMBERS_MAX:
            return self._cut("&".join(self._pair(*pair) for pair in parse_qsl(text, keep_blank_values=True)))
        return self._as_it_stands(text) or self._cut(self._structured(text))

    def _as_it_stands(self, text: str) -> str | None:
        """JSON none of whose names is telling: hidden in place, without taking it apart; None where that will not do.

        Without a backslash every string lies in the text as it is, so nothing can be found in it that is not found
        in the text; what lies in a number, or begins in one string and ends in another, is left to the longer way.
        """
        if not text.startswith(("{", "[")) or "\\" in text or len(text) > HEAD + TAIL or names_tell(text):
            return None
        spans = [*self._known.spans(text), *shapes.spans(text, members=False)]
        if not all(inside_a_string(text, span) for span in spans):
            return None
        return _hidden(text, spans)

    def _is_harmless(self, value: object) -> bool:
        """Whether nothing at all would be hidden of a JSON-like value, seen from its text as in `_as_it_stands`."""
        text = verbatim(value, HEAD + TAIL)
        return bool(
            text
            and not names_tell(text)
            and not self._known.spans(text)
            and not any(shapes.spans(text, members=False))
        )

    def _structured(self, text: str) -> str:
        """JSON with its members masked; anything else as it is, for the shapes to judge."""
        if not text.lstrip().startswith(("{", "[")) or len(text) > _JSON_MAX:
            return text
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return _encode(self._walk(value, 0, count()))

    def _walk(self, value: object, depth: int, seen: Iterator[int]) -> object:
        if depth > _DEPTH_MAX or next(seen) > _MEMBERS_MAX:
            return MASK
        if isinstance(value, Mapping):
            return {
                self._short(str(name)): self._named(str(name), item, depth, seen)
                for name, item in islice(value.items(), _MEMBERS_MAX)
            }
        if isinstance(value, (list, tuple)):
            return [self._walk(item, depth + 1, seen) for item in value]
        if isinstance(value, str):
            return self._whole(self._structured(value)) if depth < _DEPTH_MAX else MASK
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            shown = self._whole(str(value))
            return value if shown == str(value) else shown
        return value if value is None or isinstance(value, bool) else self._whole(str(value))

    def _named(self, name: str, value: object, depth: int, seen: Iterator[int]) -> object:
        """The value of a member: hidden whole when its name is telling, numbers of phones by their middle."""
        kind = kind_of(name)
        if kind is Kind.SECRET and value not in (None, "", True, False):
            return MASK
        if kind is Kind.PERSONAL and isinstance(value, (str, int)) and not isinstance(value, bool):
            return _mask_personal(str(value))
        return self._walk(value, depth + 1, seen)

    def _member(self, name: str, value: str) -> str:
        return str(self._named(name, value, 0, count()))

    def _pair(self, name: str, value: str) -> str:
        return f"{self._whole(name)}={self._member(name, value)}"


def _hidden(text: str, spans: Sequence[Span]) -> str:
    return hide(text, spans) if spans else text


@lru_cache(1024)
def _is_clear(name: str) -> bool:
    """Whether the value of this header is harmless by its name."""
    lower = name.lower()
    return lower in _CLEAR_HEADERS or any(part in lower for part in _CLEAR_PARTS)


def _remember(seen: dict[_Seen, _Seen], text: _Seen, shown: _Seen) -> _Seen:
    if len(seen) >= _SEEN_MAX:
        seen.clear()
    seen[text] = shown
    return shown


def mask_recipient(recipient: str) -> str:
    """A recipient as lists show it: enough to recognise, not enough to contact."""
    local, at, domain = recipient.strip().rpartition("@")
    return f"{local[:1]}{MASK}@{domain}" if at else _mask_personal(recipient.strip())


def _mask_personal(value: str) -> str:
    """Each number of a list of phone numbers without its middle."""
    return ",".join(shapes.mask_number(part.strip()) if part.strip() else "" for part in value.split(","))


def _safely(work: Callable[[], str]) -> str:
    try:
        return work()
    except Exception:  # noqa: BLE001 - the input must not be shown, whatever went wrong
        _report()
        return FAILED


def _report() -> None:
    """Say so in the log, unless it is the line of the log that cannot be redacted."""
    if getattr(_failing, "now", False):
        return
    _failing.now = True
    try:
        _log.warning("A text could not be redacted and was dropped.")
    finally:
        _failing.now = False
