"""The next value of a secret: entered, tested, promoted; the previous one stands by, then is gone for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.registry.conftest import ACTOR
from webapp.models.audit import AuditEntry
from webapp.models.credential import NEXT, PREVIOUS, StagedSecret
from webapp.models.secret import Secret
from webapp.registry import history, restoring, services, staging, standby
from webapp.registry.assemble import open_config
from webapp.registry.errors import Invalid, NotFound, Stale

BY = {"actor": ACTOR, "origin": "ui"}
OLD, NEW, NEWER = "SG.first-secret-value", "SG.next-secret-value", "SG.newer-secret-value"


@pytest.fixture
def stage(session, runtime, service):
    def put(value=NEW, **more):
        row = staging.stage_next(session, runtime, service, "api_key", value, actor=ACTOR, **more)
        session.commit()
        return row

    return put


@pytest.fixture
def promote(session, runtime, service):
    def do(**more):
        staging.promote(session, runtime, service, "api_key", **BY, **more)
        session.commit()

    return do


def in_use(session, runtime, service):
    return open_config(session, runtime, service).api_key.get_secret_value()


def actions(session):
    return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.seq)))


def test_a_next_value_waits_and_nothing_uses_it(session, runtime, service, stage):
    stage()

    assert in_use(session, runtime, service) == OLD
    assert service.revision == 1
    assert (
        staging.draft_of(runtime, service, session.get(StagedSecret, (service.service_id, "api_key", NEXT)))
        .config(session, runtime.vault)
        .api_key.get_secret_value()
        == NEW
    )
    assert actions(session)[-1] == "secret.stage"


def test_promoting_makes_a_revision_and_the_previous_value_stands_by(
    session, runtime, service, stage, promote, clock
):
    stage()
    promote(note="Yearly rotation.")

    row = session.get(StagedSecret, (service.service_id, "api_key", PREVIOUS))
    assert in_use(session, runtime, service) == NEW
    assert history.revision(session, service.service_id, 2).note == "Yearly rotation."
    assert row.until == clock.now() + timedelta(hours=24)
    assert standby.previous_config(session, runtime, service).api_key.get_secret_value() == OLD
    assert row.used_at == clock.now()
    assert session.get(StagedSecret, (service.service_id, "api_key", NEXT)) is None
    assert actions(session)[-1] == "secret.promote"


def test_after_the_grace_the_previous_value_is_wiped(session, runtime, service, stage, promote, clock):
    old_row = service.secrets["api_key"]
    stage()
    promote(grace=timedelta(hours=1))

    assert standby.wipe_due(session, runtime) == 0
    clock.advance(3601)
    assert standby.previous_config(session, runtime, service) is None
    assert standby.wipe_due(session, runtime) == 1
    session.commit()

    assert session.get(Secret, old_row) is None
    assert in_use(session, runtime, service) == NEW
    assert actions(session)[-1] == "secret.wipe"


def test_without_grace_the_previous_value_goes_at_once(session, runtime, service, stage, promote):
    old_row = service.secrets["api_key"]
    stage()
    promote(grace=timedelta())

    assert session.get(Secret, old_row) is None
    assert standby.staged(session, service.service_id) == {}


def test_the_previous_value_can_be_wiped_early(session, runtime, service, stage, promote):
    stage()
    promote()
    standby.wipe_previous(session, runtime, service, "api_key", actor=ACTOR)
    session.commit()

    assert standby.previous_config(session, runtime, service) is None
    with pytest.raises(NotFound):
        standby.wipe_previous(session, runtime, service, "api_key", actor=ACTOR)


def test_a_value_that_is_in_use_again_is_not_wiped(session, runtime, service, stage, promote, clock):
    stage()
    promote(grace=timedelta(hours=1))
    restoring.restore(session, runtime, service, 1, actor=ACTOR)
    clock.advance(3601)
    standby.wipe_due(session, runtime)
    session.commit()

    assert in_use(session, runtime, service) == OLD


def test_entering_the_next_value_again_replaces_and_wipes_it(session, runtime, service, stage):
    first = stage().secret_id
    second = stage(NEWER).secret_id

    assert session.get(Secret, first) is None
    assert session.get(Secret, second) is not None


def test_a_next_value_can_be_discarded(session, runtime, service, stage):
    row = stage()
    secret_id = row.secret_id
    staging.discard_next(session, runtime, service, "api_key", actor=ACTOR)
    session.commit()

    assert session.get(Secret, secret_id) is None
    with pytest.raises(NotFound):
        staging.promote(session, runtime, service, "api_key", **BY)


def test_a_change_of_destination_wipes_what_is_staged(session, runtime, service, stage, promote):
    stage()
    promote()
    stage(NEWER)
    services.update(
        session, runtime, service, {"configurations": {"region": "eu", "api_key": "SG.for-europe-only"}}, **BY
    )
    session.commit()

    assert standby.staged(session, service.service_id) == {}
    assert standby.previous_config(session, runtime, service) is None
    kept = set(session.scalars(select(Secret.id).where(Secret.owner_id == service.service_id)))
    assert kept >= set(service.secrets.values())


@pytest.mark.parametrize("value", ["", "   ", "•••••", None, 5, {"a": 1}])
def test_what_is_no_secret_is_refused(session, runtime, service, value):
    with pytest.raises(Invalid):
        staging.stage_next(session, runtime, service, "api_key", value, actor=ACTOR)
    session.rollback()

    assert standby.staged(session, service.service_id) == {}


@pytest.mark.parametrize("field", ["from_email", "nothing", ""])
def test_only_secrets_can_be_staged(session, runtime, service, field):
    with pytest.raises(NotFound):
        staging.stage_next(session, runtime, service, field, NEW, actor=ACTOR)


def test_a_plain_setting_that_belongs_to_the_key_changes_with_it(session, runtime):
    service = services.create(
        session,
        runtime,
        name="SMS",
        service_type="SMS_PROVIDER_ALIYUN",
        configurations={
            "accessKeyId": "LTAI-one",
            "accessKeySecret": "first-access-secret",
            "signName": "示例",
            "templateCode": "SMS_1",
        },
        **BY,
    )
    session.commit()
    staging.stage_next(
        session,
        runtime,
        service,
        "accessKeySecret",
        "next-access-secret",
        actor=ACTOR,
        settings={"accessKeyId": "LTAI-two"},
    )
    session.commit()
    assert service.configurations["accessKeyId"] == "LTAI-one"

    staging.promote(session, runtime, service, "accessKeySecret", **BY)
    session.commit()
    before = standby.previous_config(session, runtime, service)

    assert service.configurations["accessKeyId"] == "LTAI-two"
    assert (before.access_key_id, before.access_key_secret.get_secret_value()) == (
        "LTAI-one",
        "first-access-secret",
    )
    with pytest.raises(Invalid):
        staging.stage_next(
            session,
            runtime,
            service,
            "accessKeySecret",
            "x-access-secret",
            actor=ACTOR,
            settings={"signName": "x"},
        )


def test_a_test_of_the_next_value_counts_for_the_revision_it_becomes(
    session, runtime, service, stage, promote, clock
):
    row = stage()
    row.tested_at, row.tested_verdict = clock.now(), "verified"
    session.commit()
    promote()

    assert (service.tested_revision, service.tested_verdict) == (2, "verified")


def test_a_test_from_before_another_save_does_not_count(session, runtime, service, stage, promote, clock):
    row = stage()
    row.tested_at, row.tested_verdict = clock.now(), "verified"
    session.commit()
    clock.advance(10)
    services.update(session, runtime, service, {"configurations": {"from_name": "Shop"}}, **BY)
    session.commit()
    promote()

    assert service.tested_revision is None


def test_a_stale_promotion_is_refused(session, runtime, service, stage):
    stage()

    with pytest.raises(Stale):
        staging.promote(session, runtime, service, "api_key", expected_revision=7, **BY)
