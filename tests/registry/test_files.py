"""Configuration as files: what is written reads back, what is read is checked, and applying is all or nothing.

Attack 85 of the list: a file with secrets as they are, or from another installation. 47: a private address in a file.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from webapp import db
from webapp.config import Config
from webapp.models.audit import AuditEntry
from webapp.models.revision import ServiceRevision
from webapp.models.secret import Secret
from webapp.models.service import Service
from webapp.registry import routes, services
from webapp.registry.errors import Conflict, Invalid, KeysUnavailable, RegistryError
from webapp.registry.files.apply import apply, dry_run
from webapp.registry.files.export import export
from webapp.registry.files.text import KEEP, Stub, dump, load
from webapp.runtime import Runtime

PASSPHRASE = "lantern quarry velvet moss"
SECRET = "SG.first-secret-value"


@pytest.fixture
def house(session, runtime, add):
    """Two services, one of them with a reference, and a route over both; the file that says so."""
    first = add("Mail", is_enabled=True)
    second = add("备用邮件", {"api_key": {"$ref": "env:PATCHBAY_SECRET_MAIL"}}, default_timeout_ms=5000)
    values = {"name": "MAIL", "contract": "EMAIL_SERVICE", "members": [first.service_id, second.service_id]}
    routes.create(session, runtime, values, actor="lin@example.com")
    session.commit()
    return export(session, runtime)


@pytest.fixture
def elsewhere(tmp_path, clock, migrated_sqlite):
    """Another installation, with other keys and nothing in it."""
    data = tmp_path / "elsewhere"
    data.mkdir(mode=0o700)
    url = f"sqlite:///{tmp_path}/elsewhere.sqlite3"
    runtime = Runtime.create(Config(data_dir=data, database_url=url), clock)
    db.upgrade(runtime.engine)
    runtime.vault.prepare()
    yield runtime
    runtime.close()


def told(plan):
    return [(step.name, step.action) for step in plan.steps]


def flaws(refusal):
    return [(flaw.pointer, flaw.code) for flaw in refusal.errors]


def name_of(session, name):
    return session.scalars(select(Service).where(Service.service_name == name)).one()


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(10**15), 10**15)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\ufeff"), max_size=30)
            | st.sampled_from(["no", "010", "1e5", "1_0", "~", "=", "<<", "2027-01-01", "0x1f", ".5", "-", "!keep", "a\nb\n"])
            | st.just(KEEP)
            | st.builds(Stub, st.just("ref"), st.just("vault:kv/mail#key")),
            lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("abc:# -", max_size=4), below, max_size=3),
            max_leaves=6,
        ),
        max_size=5,
    )
)  # fmt: skip
def test_what_is_written_reads_back_the_same(document):
    assert load(dump(document)) == document


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x [1]\nb: *x", "Line 2"),
        ("a: 1\na: 2", "Line 2"),
        ("- 1: x", "Line 1"),
        ("!!python/object/apply:os.system [id]", "Line 1"),
        ("a: !!timestamp 2020-01-01", "Line 1"),
        ("a: !!int one", "Line 1"),
        ("a: !!bool yes", "Line 1"),
        ("a: !!map x", "Line 1"),
        ("a: !!str [x]", "Line 1"),
        ("a: !keep [1]", "Line 1"),
        ("[" * 5000, "Line 1"),
        ("a: 1e999", "Line 1"),
        ('a: "\\ud800"', "Line 1"),
        ("a: \x00", "Line 1"),
        ("a: 1\n---\nb: 2", "Line 2"),
        ("@", "Line 1"),
        ("x" * 300_000, "256 KiB"),
        ("\ud800", "characters"),
    ],
)
def test_what_is_no_file_is_refused_with_its_line(text, line):
    with pytest.raises(Invalid) as refused:
        load(text)

    assert line in str(refused.value.errors[0].message)
    assert "python" not in str(refused.value.errors[0].message)


def test_words_mean_what_they_say():
    read = load("a: no\nb: 010\nc: 1_000\nd: 12:30\ne: on\nf: 0x1f\ng: .inf")

    assert set(map(type, read.values())) == {str}


def test_a_file_tells_no_secret_and_changes_nothing_when_it_comes_back(house, session, runtime):
    assert SECRET not in house
    assert "api_key: !keep" in house
    assert "!ref 'env:PATCHBAY_SECRET_MAIL'" in house

    plan = dry_run(session, runtime, house, actor="ci")

    assert plan.ok
    assert plan.empty
    assert apply(session, runtime, house, note="again", actor="ci").empty
    session.commit()
    assert session.scalar(select(func.count()).where(ServiceRevision.origin == "import")) == 0


def test_a_change_is_shown_first_and_then_made_with_its_reason(house, session, runtime):
    text = house.replace("default_timeout_ms: 5000", "default_timeout_ms: 7000")
    seen = dry_run(session, runtime, text, actor="ci")
    assert told(seen) == [("Mail", "same"), ("备用邮件", "update"), ("MAIL", "same")]
    assert [(c.path, c.old, c.new) for c in seen.steps[1].changes] == [(("default_timeout_ms",), 5000, 7000)]
    assert name_of(session, "备用邮件").default_timeout_ms == 5000, "the dry run kept something"

    apply(session, runtime, text, note="Slower lines", plan=seen.digest, actor="ci")
    session.commit()

    service = name_of(session, "备用邮件")
    made = session.get_one(ServiceRevision, (service.service_id, service.revision))
    assert (service.default_timeout_ms, service.revision) == (7000, 2)
    assert (made.origin, made.actor, made.note) == ("import", "ci", "Slower lines")
    done = session.scalars(select(AuditEntry).where(AuditEntry.action == "config.apply")).one()
    assert (done.detail["updated"], done.detail["note"]) == (1, "Slower lines")


def test_a_dry_run_leaves_no_row_behind(house, session, runtime):
    count = {
        table: session.scalar(select(func.count()).select_from(table))
        for table in (Service, Secret, ServiceRevision, AuditEntry)
    }
    text = house.replace("service_name: Mail\n", "service_name: Post\n").replace("  service_id", "  #")

    assert not dry_run(session, runtime, text, actor="ci").ok
    given = {"Post": {"api_key": "SG.another-secret"}}
    assert (
        dry_run(session, runtime, text, actor="ci", given=given, overwrite=["备用邮件"]).count("create") == 1
    )

    for table, before in count.items():
        assert session.scalar(select(func.count()).select_from(table)) == before, table


def test_what_was_seen_is_what_is_done(house, session, runtime):
    text = house.replace("default_timeout_ms: 5000", "default_timeout_ms: 7000")
    seen = dry_run(session, runtime, text, actor="ci")
    services.disable(session, runtime, name_of(session, "Mail"), actor="lin@example.com", origin="ui")
    session.commit()

    with pytest.raises(RegistryError) as refused:
        apply(session, runtime, text.replace("is_enabled: true", "is_enabled: false"), note="x", plan=seen.digest, actor="ci")  # fmt: skip

    assert refused.value.code == "STALE_REVISION"
    session.rollback()
    assert name_of(session, "备用邮件").default_timeout_ms == 5000


def test_what_others_changed_is_shown_and_not_overwritten(house, session, runtime):
    service = name_of(session, "备用邮件")
    services.update(
        session, runtime, service, {"default_timeout_ms": 9000}, actor="ana@example.com", origin="ui"
    )
    session.commit()
    text = house.replace("default_timeout_ms: 5000", "default_timeout_ms: 7000")

    step = dry_run(session, runtime, text, actor="ci").steps[1]

    assert step.action == "conflict"
    assert [(c.old, c.new) for c in step.changes] == [(9000, 7000)]
    assert (step.others.actor, step.others.revision) == ("ana@example.com", 2)
    assert [(c.old, c.new) for c in step.others.changes] == [(5000, 9000)]
    with pytest.raises(Conflict) as refused:
        apply(session, runtime, text, note="x", actor="ci")
    assert (refused.value.code, flaws(refused.value)) == ("FILE_CONFLICT", [("/services/1", "conflict")])
    assert name_of(session, "备用邮件").default_timeout_ms == 9000

    apply(session, runtime, text, note="Ours is right", actor="ci", overwrite=["备用邮件"])
    session.commit()
    assert name_of(session, "备用邮件").default_timeout_ms == 7000


def test_an_old_file_does_not_undo_what_others_did_since(house, session, runtime):
    service = name_of(session, "Mail")
    services.update(
        session, runtime, service, {"description": "By hand"}, actor="ana@example.com", origin="ui"
    )
    session.commit()

    assert told(dry_run(session, runtime, house, actor="ci"))[0] == ("Mail", "conflict")
    elsewhere = house.replace("region: global", "region: global\n    from_name: Shop", 1)
    assert told(dry_run(session, runtime, elsewhere, actor="ci"))[0] == ("Mail", "conflict")


def test_a_change_beside_what_others_changed_is_no_conflict(house, session, runtime):
    service = name_of(session, "备用邮件")
    services.update(
        session, runtime, service, {"description": "By hand"}, actor="ana@example.com", origin="ui"
    )
    session.commit()
    text = house.replace("default_timeout_ms: 5000", "default_timeout_ms: 7000\n  description: By hand")

    assert told(dry_run(session, runtime, text, actor="ci"))[1] == ("备用邮件", "update")


def test_the_same_file_is_applied_again_and_again(house, session, runtime):
    for timeout in (6000, 7000, 8000):
        apply(session, runtime, house.replace("5000", str(timeout)), note="x", actor="ci")
        session.commit()

    assert name_of(session, "备用邮件").default_timeout_ms == 8000


def test_one_wrong_entry_keeps_everything_out(house, session, runtime):
    text = house.replace("default_timeout_ms: 5000", "default_timeout_ms: 7000").replace(
        "from_email: a@example.com", "from_email: nobody", 1
    )

    with pytest.raises(Invalid) as refused:
        apply(session, runtime, text, note="x", actor="ci")

    assert [pointer for pointer, _ in flaws(refused.value)] == ["/services/0/configurations/from_email"]
    assert name_of(session, "备用邮件").default_timeout_ms == 5000


def test_a_new_destination_demands_the_secrets_again(house, session, runtime):
    text = house.replace("region: global", "region: eu")
    plan = dry_run(session, runtime, text, actor="ci")

    assert [(step.action, step.needs) for step in plan.steps] == [("refused", ["api_key"])] * 2
    assert flaws(plan.refusal()) == [
        ("/services/0/secrets/api_key", "reenter_secret"),
        ("/services/1/secrets/api_key", "reenter_secret"),  # a reference that stays is kept, not given again
    ]
    assert [change.path for change in plan.steps[0].changes] == [("configurations", "region")]

    given = {
        "Mail": {"api_key": "SG.for-europe"},
        "备用邮件": {"api_key": {"$ref": "env:PATCHBAY_SECRET_EU"}},
    }
    apply(session, runtime, text, note="Move", actor="ci", given=given)
    session.commit()
    service = name_of(session, "Mail")
    assert runtime.vault.open(session, service.secrets["api_key"]) == "SG.for-europe"


@pytest.mark.parametrize("place", ["secrets", "configurations"])
def test_a_secret_as_it_is_is_refused_and_not_repeated(house, session, runtime, place):
    text = house.replace("api_key: !keep", "api_key: SG.in-plain-sight") if place == "secrets" else house.replace(
        "region: global", "region: global\n    api_key: SG.in-plain-sight", 1
    )  # fmt: skip
    with pytest.raises(Invalid) as refused:
        apply(session, runtime, text, note="x", actor="ci")

    assert flaws(refused.value) == [("/services/0/secrets/api_key", "plain_secret")]
    assert "plain-sight" not in str(refused.value.errors)


def test_a_private_address_is_refused_as_everywhere(house, session, runtime):
    text = house.replace("region: global", "region: global\n    base_url: https://169.254.169.254", 1)

    refusal = dry_run(
        session, runtime, text, actor="ci", given={"Mail": {"api_key": "SG.x-another"}}
    ).refusal()

    assert ("/services/0/configurations/base_url", "blocked") in flaws(refusal)


def test_sealed_secrets_travel_to_another_installation(house, session, runtime, elsewhere):
    text = export(session, runtime, actor="lin@example.com", passphrase=PASSPHRASE)
    session.commit()
    assert SECRET not in text
    assert session.scalars(select(AuditEntry).where(AuditEntry.action == "config.export")).one()
    with elsewhere.sessions() as there:
        missing = dry_run(there, elsewhere, house, actor="ci")
        assert missing.steps[0].needs == ["api_key"], "a stub keeps nothing where nothing is"
        for passphrase, code in ((None, "passphrase"), ("not this passphrase", "sealed")):
            refused = dry_run(there, elsewhere, text, actor="ci", passphrase=passphrase).refusal()
            assert flaws(refused) == [("/services/0/secrets/api_key", code)]

        apply(there, elsewhere, text, note="Move in", actor="ci", passphrase=PASSPHRASE)
        there.commit()

        service = name_of(there, "Mail")
        assert elsewhere.vault.open(there, service.secrets["api_key"]) == SECRET
        assert there.get_one(Secret, service.secrets["api_key"]).owner_id == service.service_id
        assert dry_run(there, elsewhere, text, actor="ci", passphrase=PASSPHRASE).empty


def test_a_sealed_secret_opens_only_for_its_service_and_destination(house, session, runtime):
    text = export(session, runtime, passphrase=PASSPHRASE)
    moved = text.replace("region: global", "region: eu", 1)
    renamed = text.replace("service_name: Mail\n", "service_name: Thief\n")
    header = text.replace("memory: 65536", "memory: 99999999")

    for changed in (moved, renamed, header):
        refused = dry_run(session, runtime, changed, actor="ci", passphrase=PASSPHRASE).refusal()
        assert ("/services/0/secrets/api_key", "sealed") in flaws(refused)
    with pytest.raises(Invalid):
        export(session, runtime, passphrase="short")


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        ("- 1", "", "type"),
        ("{}", "/patchbay", "choice"),
        ("patchbay: true", "/patchbay", "choice"),
        ("patchbay: 1\nservice: []", "/service", "unknown"),
        ("patchbay: 1\nservices: {}", "/services", "type"),
        ("patchbay: 1\nservices: [x]", "/services/0", "type"),
        ("patchbay: 1\nservices: [{}]", "/services/0/service_name", "missing"),
        ("patchbay: 1\nservices: [{service_name: [1], service_type: x}]", "/services/0/service_name", "type"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x, dek_id: 1}]", "/services/0/dek_id", "unknown"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x, revision: -1}]", "/services/0/revision", "type"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x, service_id: 1}]", "/services/0/service_id", "type"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x, secrets: [1]}]", "/services/0/secrets", "type"),
        ("patchbay: 1\nservices: [{service_name: !keep , service_type: x}]", "/services/0/service_name", "type"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x, configurations: {b: [!keep ]}}]", "/services/0/configurations/b/0", "stub"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x}, {service_name: A, service_type: x}]", "/services/1/service_name", "duplicate"),
        ("patchbay: 1\nservices: [{service_name: a, service_type: x}]", "/services/0", "ADAPTER_MISSING"),
        ("patchbay: 1\nroutes: [{name: MAIL, contract: EMAIL_SERVICE}]", "/routes/0/members", "type"),
        ("patchbay: 1\nroutes: [{name: MAIL, contract: EMAIL_SERVICE, members: [Nobody]}]", "/routes/0/members/0", "choice"),
        ("patchbay: 1\nroutes: [{name: mail, contract: EMAIL_SERVICE, members: []}]", "/routes/0/name", "pattern"),
        ("patchbay: 1\nroutes: [{name: A, contract: B, members: []}, {name: A, contract: B, members: []}]", "/routes/1/name", "duplicate"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(session, runtime, text, pointer, code):
    with pytest.raises(Invalid) as refused:
        apply(session, runtime, text, note="x", actor="ci")

    assert (pointer, code) in flaws(refused.value)


def test_the_type_of_a_service_stays(house, session, runtime):
    text = house.replace("EMAIL_PROVIDER_SENDGRID", "HTTP_PROVIDER_GENERIC", 1)

    assert flaws(dry_run(session, runtime, text, actor="ci").refusal()) == [
        ("/services/0/service_type", "read_only")
    ]


def test_a_route_names_services_and_its_conflicts_are_shown(house, session, runtime):
    text = house.replace("  - Mail\n  - 备用邮件\n", "  - 备用邮件\n  - Mail\n")
    plan = dry_run(session, runtime, text, actor="ci")
    assert told(plan)[2] == ("MAIL", "update")
    by_hand = routes.find(session, "MAIL")
    routes.update(
        session,
        runtime,
        by_hand,
        {"contract": "EMAIL_SERVICE", "members": by_hand.members[:1]},
        actor="ana@example.com",
    )
    session.commit()

    step = dry_run(session, runtime, text, actor="ci").steps[2]

    assert (step.action, step.others.actor) == ("conflict", "ana@example.com")
    apply(session, runtime, text, note="x", actor="ci", overwrite=["MAIL"])
    session.commit()
    assert routes.member_names(session, routes.find(session, "MAIL")) == ["备用邮件", "Mail"]
    back = text.replace("  - 备用邮件\n  - Mail\n", "  - Mail\n")
    assert told(dry_run(session, runtime, back, actor="ci"))[2] == ("MAIL", "update"), "a file made it so"


def test_a_service_and_its_route_are_made_at_once(session, runtime):
    text = """
patchbay: 1
services:
- service_name: Shop mail
  service_type: EMAIL_PROVIDER_SENDGRID
  configurations: {from_email: shop@example.com}
  secrets: {api_key: !ref env:PATCHBAY_SECRET_MAIL}
routes:
- {name: SHOP, contract: EMAIL_SERVICE, members: [shop MAIL]}
"""
    plan = apply(session, runtime, text, note="Begin", actor="ci")
    session.commit()

    assert told(plan) == [("Shop mail", "create"), ("SHOP", "create")]
    service = name_of(session, "Shop mail")
    assert (service.is_enabled, routes.find(session, "SHOP").members) == (False, [service.service_id])


def test_null_clears_a_secret_that_is_not_required(session, runtime):
    values = {"base_url": "https://api.example.com", "auth": "bearer", "secret": "a-token-value"}
    services.create(
        session, runtime, name="Hook", service_type="HTTP_PROVIDER_GENERIC", configurations=values,
        actor="lin@example.com", origin="ui",
    )  # fmt: skip
    session.commit()
    text = (
        export(session, runtime).replace("secret: !keep", "secret: ~").replace("auth: bearer", "auth: none")
    )

    plan = dry_run(session, runtime, text, actor="ci")

    assert told(plan) == [("Hook", "update")]
    assert [(c.path, c.change) for c in plan.steps[0].changes if c.secret] == [
        (("secrets", "secret"), "removed")
    ]


def test_a_locked_vault_stores_nothing_new(house, session, runtime):
    for row in runtime.config.data_dir.iterdir():
        if row.is_file():
            row.unlink()
    runtime.vault.prepare()
    text = house.replace("service_name: Mail\n", "service_name: Post\n").replace("  service_id", "  #", 1)

    with pytest.raises(KeysUnavailable):
        dry_run(session, runtime, text, actor="ci", given={"Post": {"api_key": "SG.another"}})
