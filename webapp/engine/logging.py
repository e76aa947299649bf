"""The process log: no secret in it, no forged line, and no vendor library that talks too much."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable
from types import TracebackType

from webapp.engine.redaction import Redactor

# At DEBUG these write requests with their credentials.
_TALKATIVE = frozenset(
    [
        "alembic",
        "apscheduler",
        "boto3",
        "botocore",
        "charset_normalizer",
        "hpack",
        "mail",
        "requests",
        "urllib3",
    ]
)
_GUNICORN = ("gunicorn.error", "gunicorn.access")
_FORM = "%(asctime)s %(levelname)s %(name)s [%(process)d]: %(message)s"
_KNOWN_MAX, _FRESH_MAX = 2_000, 32
# Control characters and the marks that turn the direction of writing.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"
} | {
    code: f"\\u{code:04x}"
    for code in (0x2028, 0x2029, 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


class ProcessSecrets:
    """The secrets this process has opened, so that its log can hide them. The newest 2,000 are kept.

    A new one is hidden at once, by a small redactor of its own; a thread then builds the large one anew, which
    takes long, and puts it in place of the old one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._fresh: dict[str, None] = {}
        self._settling = 0  # the process whose thread builds
        self._settled, self._newest = Redactor(), Redactor()

    def learn(self, values: Iterable[str]) -> None:
        """Hide these values from now on; those already known cost nothing."""
        fresh = [value for value in values if value not in self._values]
        if not fresh:
            return
        with self._lock:
            self._values = dict.fromkeys([*self._values, *fresh][-_KNOWN_MAX:])
            self._fresh |= dict.fromkeys(fresh)
            self._newest = Redactor(self._fresh)
            if len(self._fresh) >= _FRESH_MAX and self._settling != os.getpid():
                self._settling = os.getpid()
                threading.Thread(target=self._settle, name="patchbay-redactor", daemon=True).start()

    def hide(self, text: str) -> str:
        """The text without any of them."""
        return self._newest.text(self._settled.text(text))

    def _settle(self) -> None:
        values = dict(self._values)
        settled = Redactor(values)
        with self._lock:
            self._settled = settled
            self._fresh = {value: None for value in self._fresh if value not in values}
            self._newest = Redactor(self._fresh)
            self._settling = 0


process_secrets = ProcessSecrets()


class RedactingFormatter(logging.Formatter):
    """Formats a record with its traceback, then hides secrets and escapes what could forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished text; continuation lines are indented, so that no message can begin a line of its own."""
        text = process_secrets.hide(super().format(record))
        return text.translate(_CONTROLS).replace("\n", "\n    ")


def configure(level: int = logging.INFO) -> None:
    """Send everything through the redacting formatter, uncaught exceptions and warnings included."""
    formatter = RedactingFormatter(_FORM)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    root.setLevel(level)
    for logger in (root, *map(logging.getLogger, _GUNICORN)):
        for handler in logger.handlers:
            handler.setFormatter(formatter)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("webapp").critical("Uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        _log_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
