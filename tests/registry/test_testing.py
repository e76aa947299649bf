"""Tests of services that do not get as far as the network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.email.sendgrid import SendGrid
from adapters.kit import Catalog, Entry, Message, Stage
from webapp.models import Secret
from webapp.registry import testing
from webapp.registry.drafts import Draft
from webapp.registry.errors import AdapterMissing, Invalid


class Faulty(SendGrid):
    """An adapter with a mistake in its check."""

    def endpoint(self):
        raise KeyError(self.config.api_key.get_secret_value())


class Echoing(SendGrid):
    """An adapter that repeats what a vendor said, key and all."""

    def endpoint(self):
        return None

    def check(self):
        key = self.config.api_key.get_secret_value()
        yield Stage.ok("authentication", Message.of("The vendor said %(words)s.", words=f"hello {key}"))
        yield Stage.failed("permission", f"{key} may not do this.", remedy=f"Replace {key}.")


class Catalogue(Catalog):
    """A catalogue with one adapter exchanged."""

    adapter = Faulty

    def get(self, service_type):
        entry = super().get(service_type)
        return entry and Entry(service_type, entry.contract, entry.label, self.adapter, entry.module)


def test_a_mistake_of_an_adapter_is_a_failed_stage_and_leaks_nothing(runtime, service, caplog):
    report = testing.run(replace(runtime, catalog=Catalogue()), service, None, "lin")

    assert report.verdict == "failed"
    assert report.stages[-1].code == "ADAPTER_BUG"
    assert "first-secret" not in caplog.text + str(report)


def test_a_key_that_a_vendor_echoes_is_not_told(runtime, service):
    catalogue = Catalogue()
    catalogue.adapter = Echoing

    report = testing.run(replace(runtime, catalog=catalogue), service, None, "lin")

    assert "first-secret" not in str(report)
    assert [str(stage.message) for stage in report.stages][1:] == [
        "The vendor said hello ***.",
        "*** may not do this.",
    ]


def test_an_adapter_that_does_not_load_is_not_tested(runtime, service):
    catalogue = Catalogue()
    catalogue.adapter = None

    with pytest.raises(AdapterMissing):
        testing.run(replace(runtime, catalog=catalogue), service, None, "lin")


def test_a_secret_that_cannot_be_read_is_the_first_stage(runtime, session, service):
    secret = session.get(Secret, service.secrets["api_key"])
    secret.ct = secret.ct[:-6] + "AAAAAA"
    session.commit()

    report = testing.run(runtime, service, None, "lin")

    assert [(stage.name, stage.code) for stage in report.stages] == [("settings", "CREDENTIALS_UNREADABLE")]


def test_a_key_that_is_away_is_the_first_stage(runtime, service):
    (runtime.config.data_dir / "patchbay.key").unlink()
    runtime.vault.prepare()

    report = testing.run(runtime, service, None, "lin")

    assert [(stage.name, stage.code) for stage in report.stages] == [("settings", "KEY_UNAVAILABLE")]


def test_a_wrong_draft_is_not_tested(runtime, service):
    entry = runtime.catalog.get(service.service_type)

    with pytest.raises(Invalid):
        testing.test(runtime, service, Draft.for_change(service, entry, {"region": "mars"}), "lin")


def test_a_verdict_on_an_older_revision_is_not_kept(session, runtime, service):
    testing.record_test(session, service.service_id, 7, "verified", at=runtime.clock.now())
    session.commit()
    session.refresh(service)

    assert service.tested_at is None
