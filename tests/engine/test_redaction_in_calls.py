"""What redaction does to a whole call and a whole log record: 25, 26 and 34 of the list of attacks, at the door."""

from __future__ import annotations

import base64
import importlib.util
import io
import logging
from urllib.parse import quote

import pytest

from tests.engine.conftest import MAIL
from tests.engine.story import API_KEY
from tests.engine.vendor import answer
from webapp.engine.logging import RedactingFormatter, process_secrets
from webapp.engine.redaction import Redactor
from webapp.log.filters import LogFilter

SECRET = "written/in+the source=="


def test_34_a_call_does_not_notice_that_it_could_not_be_redacted(runtime, vendor, service, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError(API_KEY)

    peer = vendor(answer(202, {"said": API_KEY}, X_Message_Id="m-1"))
    mail = service(peer.url)
    monkeypatch.setattr("webapp.engine.redaction.shapes.spans", fail)

    done = runtime.hub.call("email.send", MAIL, prefer=mail)

    assert done.result["message_id"] == "m-1"
    assert len(peer.requests) == 1
    row = next(
        row for row in runtime.log.search(LogFilter(call_id=done.call_id)).items if row.kind == "attempt"
    )
    kept = runtime.log.bodies(row.log_id)
    assert "<redaction failed>" in str(kept)
    assert API_KEY not in str(kept) + str(row)


@pytest.mark.parametrize("secret", ["plain-client-secret-1", "odd/client+secret=&with:signs 密"])
def test_25_credentials_of_an_oauth_client_are_hidden_as_they_travel(secret):
    """Both are form-encoded before they are joined and packed, as RFC 6749 has it."""
    pair = f"{quote('patch bay', safe='')}:{quote(secret, safe='')}".encode()
    redactor = Redactor([secret], ["patch bay"])

    assert redactor.text(f"x {base64.b64encode(pair).decode()} y") == "x *** y"
    inside = base64.b64encode(b"header: " + pair + b"; more").decode()
    assert base64.b64encode(quote(secret, safe="").encode()).decode()[4:-4] not in redactor.text(inside)
    assert "***" in redactor.text(inside)


def test_26_the_source_in_a_traceback_is_redacted_too(tmp_path):
    """Python quotes the line that failed, with whatever is written in it."""
    file = tmp_path / "shop.py"
    file.write_text(f'def pay():\n    return {{}}["{SECRET}"]  # {SECRET}\n')
    spec = importlib.util.spec_from_file_location("shop", file)
    shop = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shop)
    process_secrets.learn([SECRET])
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(RedactingFormatter("%(message)s"))
    logger = logging.getLogger("tests.redaction_in_calls")
    logger.addHandler(handler)
    try:
        shop.pay()
    except KeyError:
        logger.exception("The shop failed")
    finally:
        logger.removeHandler(handler)

    assert 'return {}["***"]  # ***' in out.getvalue()
    assert SECRET not in out.getvalue()


def test_26_a_secret_of_several_lines_is_hidden_in_each_line_of_the_log():
    pem = "-----BEGIN OLD KEY-----\nfirst-line-of-the-old-key\nsecond-line-of-the-old-key\n-----END OLD KEY-----"
    process_secrets.learn([pem])
    format_ = RedactingFormatter("%(message)s").format

    lines = [format_(logging.LogRecord("x", 20, "f", 1, line, (), None)) for line in pem.splitlines()[1:3]]

    assert lines == ["***", "***"]
