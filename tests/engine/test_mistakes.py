"""Adapters that raise whatever they like, before and after something was sent."""

from __future__ import annotations

import sys
import textwrap

import pytest

from adapters.kit import Catalog
from tests.engine.conftest import API_KEY, MAIL
from tests.engine.vendor import answer

CLUMSY = """
from pydantic import SecretStr
from adapters.email import Email, Mail, Receipt
from adapters.kit import Bearer, Settings, secret, setting

class Clumsy(Email, service_type="EMAIL_PROVIDER_CLUMSY", label="Clumsy"):
    class Config(Settings):
        api_key: SecretStr = secret("Key")
        base_url: str = setting("Address", destination=True)
        moment: str = setting("Moment", default="before")

    def send(self, mail: Mail) -> Receipt:
        if self.config.moment == "before":
            raise KeyError(self.config.api_key.get_secret_value())
        reply = self.http.post("/send", json={"to": mail.to[0]}, headers={"X-Key": self.config.api_key.get_secret_value()})
        if self.config.moment == "result":
            return Receipt(object())
        raise ValueError(reply.text + self.config.api_key.get_secret_value())
"""


@pytest.fixture
def clumsy(runtime, vendor, tmp_path, monkeypatch):
    """Makes services of an adapter that raises."""
    package = tmp_path / "clumsy_adapters"
    (package / "mail").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "mail" / "__init__.py").write_text("from adapters.email import Email\n")
    (package / "mail" / "clumsy.py").write_text(textwrap.dedent(CLUMSY))
    monkeypatch.syspath_prepend(str(tmp_path))
    peer = vendor(answer(200, b"thanks"))

    class Both(Catalog):
        def __init__(self):
            super().__init__()
            self._more = Catalog("clumsy_adapters", group=None)

        def get(self, service_type):
            return super().get(service_type) or self._more.get(service_type)

    runtime.catalog = Both()
    from webapp.registry import services

    def make(moment):
        with runtime.sessions() as session:
            made = services.create(
                session, runtime, name="Clumsy", service_type="EMAIL_PROVIDER_CLUMSY", actor="test", origin="cli",
                configurations={"api_key": API_KEY, "base_url": peer.url, "moment": moment}, is_enabled=True,
            )  # fmt: skip
            session.commit()
            return made.service_id

    yield make
    for name in [name for name in sys.modules if name.startswith("clumsy_adapters")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("moment", "code", "effect"),
    [
        ("before", "ADAPTER_BUG", "NONE"),
        ("after", "AMBIGUOUS_OUTCOME", "UNKNOWN"),
        ("result", "AMBIGUOUS_OUTCOME", "UNKNOWN"),
    ],
)
def test_a_mistake_of_an_adapter_never_leaks(clumsy, tell, moment, code, effect):
    mail = clumsy(moment)

    story = tell("email.send", MAIL, mail)

    assert (story.code, story.end.effect) == (code, effect)
    assert [(row.code, row.effect) for row in story.tries] == [("ADAPTER_BUG", effect)]
    assert story.failures(mail) == (0, 0), "the vendor is not to blame"
