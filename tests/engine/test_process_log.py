"""The process log holds no secret and no forged line."""

from __future__ import annotations

import io
import logging
import sys
import threading

import pytest

from webapp.engine.logging import RedactingFormatter, configure, process_secrets

SECRET = "hidden/value+123=="


@pytest.fixture
def log():
    """A logger that writes through the formatter, and what it wrote."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("tests.process_log")
    logger.addHandler(handler)
    logger.propagate = False
    process_secrets.learn([SECRET])
    yield logger, out
    logger.removeHandler(handler)


def test_a_known_secret_is_hidden_also_in_a_traceback(log):
    logger, out = log
    try:
        {}[SECRET]
    except KeyError:
        logger.exception("Failed for %s", SECRET)

    assert SECRET not in out.getvalue()
    assert "KeyError: '***'" in out.getvalue()


def test_a_message_cannot_begin_a_line_of_its_own(log):
    logger, out = log
    logger.warning("a\nERROR forged\r\x1b[31m\u202e")

    assert out.getvalue() == "WARNING a\n    ERROR forged\\x0d\\x1b[31m\\u202e\n"


def test_vendor_libraries_are_kept_quiet(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    before = logging.getLogger().level
    configure()
    logging.captureWarnings(capture=False)
    logging.getLogger().setLevel(before)

    assert logging.getLogger("urllib3.connectionpool").getEffectiveLevel() == logging.WARNING
