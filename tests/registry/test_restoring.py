"""Compare revisions and go back to one: what returns, what has to be typed again, what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from tests.registry.conftest import ACTOR
from webapp.models.secret import Secret
from webapp.registry import compare, history, restoring, services, testing
from webapp.registry.assemble import open_config
from webapp.registry.errors import Conflict, Invalid, NotFound, Stale

BY = {"actor": ACTOR, "origin": "ui"}
NAMES = {"api_key"}


@pytest.fixture
def change(session, runtime, service):
    def make(**members):
        note = members.pop("note", None)
        services.update(session, runtime, service, members, note=note, **BY)
        session.commit()
        return service

    return make


def difference(session, service, a, b):
    def of(number):
        return history.revision(session, service.service_id, number)

    return {change.path: change for change in compare.compare(session, of(a), of(b), NAMES)}


def test_a_comparison_goes_down_to_members_and_says_of_secrets_only_whether(session, service, change):
    change(
        retry_policy={"max_attempts": 5},
        rate_limit={"per_second": 2.0, "burst": 3},
        configurations={"from_email": "b@example.com", "api_key": "SG.second-secret-value"},
    )

    found = difference(session, service, 1, 2)

    assert (found["retry_policy", "max_attempts"].old, found["retry_policy", "max_attempts"].new) == (3, 5)
    assert found["rate_limit", "burst"].change == "added"
    assert found["configurations", "from_email"].old == "a@example.com"
    assert found["secrets", "api_key"].to_dict() == {"pointer": "/secrets/api_key", "change": "changed"}
    assert "second-secret" not in str([one.to_dict() for one in found.values()])
    assert ("service_name",) not in found


def test_lists_are_compared_by_item():
    found = list(compare._members({"to": ["a", "b", "c"]}, {"to": ["a", "x", "c", "d"]}, ()))

    assert [(one.path, one.change, one.old or one.new) for one in found] == [
        (("to", 1), "removed", "b"),
        (("to", 1), "added", "x"),
        (("to", 3), "added", "d"),
    ]


def test_the_same_secret_stored_twice_is_unchanged(session, service, change):
    change(configurations={"api_key": "SG.first-secret-value"})

    assert difference(session, service, 1, 2)["secrets", "api_key"].change == "unchanged"


def test_a_setting_that_is_a_secret_today_is_not_shown_from_an_old_revision(session, service):
    old = history.revision(session, service.service_id, 1)
    old.snapshot = {**old.snapshot, "configurations": {"api_key": "once-in-plain"}}
    session.commit()

    found = compare.compare(session, old, history.as_revision(service), NAMES)

    assert "once-in-plain" not in str([one.to_dict() for one in found])


def test_going_back_brings_settings_and_the_old_secret(session, runtime, service, change):
    change(description="new", configurations={"api_key": "SG.second-secret-value"})

    seen = restoring.preview(session, runtime, service, 1)
    restoring.restore(session, runtime, service, 1, actor=ACTOR)
    session.commit()

    assert seen.secrets == {"api_key": "returns"}
    assert service.revision == 3
    assert service.description is None
    assert open_config(session, runtime, service).api_key.get_secret_value() == "SG.first-secret-value"
    made = history.revision(session, service.service_id, 3)
    assert (made.origin, made.note, made.actor) == ("restore", "← 1", ACTOR)


def test_going_back_leaves_the_switch_alone(session, runtime, service, change):
    change(description="new")
    services.enable(session, runtime, service, **BY)
    session.commit()

    restoring.restore(session, runtime, service, 1, actor=ACTOR)

    assert service.is_enabled


def test_a_limit_that_was_not_there_then_is_gone_again(session, runtime, service, change):
    change(rate_limit={"per_second": 1.0, "burst": 1})

    restoring.restore(session, runtime, service, 1, actor=ACTOR)

    assert service.rate_limit is None


def test_going_back_to_another_destination_asks_for_the_secrets(session, runtime, service, change):
    change(configurations={"region": "eu", "api_key": "SG.second-secret-value"})

    assert restoring.preview(session, runtime, service, 1).secrets == {"api_key": "reenter"}
    with pytest.raises(Invalid) as refusal:
        restoring.restore(session, runtime, service, 1, actor=ACTOR)
    session.rollback()

    assert [(flaw.field, flaw.code) for flaw in refusal.value.errors] == [("api_key", "reenter_secret")]
    assert service.revision == 2

    restoring.restore(session, runtime, service, 1, actor=ACTOR, values={"api_key": "SG.typed-again-value"})
    assert service.configurations["region"] == "global"
    assert open_config(session, runtime, service).api_key.get_secret_value() == "SG.typed-again-value"


def test_a_wiped_secret_does_not_return_the_one_in_use_stays(session, runtime, service, change):
    first = service.secrets["api_key"]
    change(description="new", configurations={"api_key": "SG.second-secret-value"})
    session.execute(delete(Secret).where(Secret.id == first))
    session.commit()

    assert restoring.preview(session, runtime, service, 1).secrets == {"api_key": "kept"}
    restoring.restore(session, runtime, service, 1, actor=ACTOR)

    assert open_config(session, runtime, service).api_key.get_secret_value() == "SG.second-secret-value"


def test_only_secrets_can_be_given_when_going_back(session, runtime, service, change):
    change(description="new")

    with pytest.raises(Invalid) as refusal:
        restoring.restore(session, runtime, service, 1, actor=ACTOR, values={"region": "eu"})

    assert refusal.value.errors[0].code == "unknown"


def test_going_back_is_refused_like_any_save(session, runtime, service, add, change):
    change(service_name="Other")
    add("Mail")

    with pytest.raises(NotFound):
        restoring.restore(session, runtime, service, 99, actor=ACTOR)
    with pytest.raises(Stale):
        restoring.restore(session, runtime, service, 1, actor=ACTOR, expected_revision=1)
    with pytest.raises(Conflict):
        restoring.restore(session, runtime, service, 1, actor=ACTOR)


def test_going_back_to_what_is_stored_saves_nothing(session, runtime, service):
    assert restoring.preview(session, runtime, service, 1).empty
    restoring.restore(session, runtime, service, 1, actor=ACTOR)

    assert service.revision == 1


def test_a_revision_says_whether_it_was_tested(session, runtime, service, change, clock):
    testing.record_test(session, service.service_id, 1, "verified", at=clock.now())
    session.commit()
    session.refresh(service)
    services.enable(session, runtime, service, **BY)
    change(configurations={"from_email": "c@example.com"})

    def of(number):
        return history.revision(session, service.service_id, number).tested_verdict

    assert [of(1), of(2), of(3)] == ["verified", "verified", None]


@pytest.mark.parametrize("note", [5, "x" * 501, "a\x00b"])
def test_a_reason_that_cannot_be_kept_is_refused(session, runtime, service, note):
    with pytest.raises(Invalid) as refusal:
        services.update(session, runtime, service, {"description": "x"}, note=note, **BY)

    assert refusal.value.errors[0].field == "note"


def test_a_reason_stands_in_the_history(session, service, change):
    change(description="x", note=" Moved to the new team. ")

    assert history.revision(session, service.service_id, 2).note == "Moved to the new team."
