"""Maintenance windows that come again: by the clock on the wall, through every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from webapp.models.health import ServiceHealth
from webapp.models.maintenance import MaintenanceWindow
from webapp.monitor import Monitor, windows
from webapp.monitor.occurrences import Series
from webapp.monitor.window_fields import WindowFields
from webapp.registry.errors import Invalid

BERLIN, SHANGHAI = "Europe/Berlin", "Asia/Shanghai"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series(begins, hours, repeats, zone="UTC", **more):
    return Series(at(begins), at(begins) + timedelta(hours=hours), repeats, zone, **more)


def spans(one, moment, count):
    form = "%m-%d %H:%M"
    found = islice(one.after(at(moment)), count)
    return [(each.starts_at.strftime(form), each.ends_at.strftime(form)) for each in found]


def test_the_same_hours_each_day():
    nightly = series("2026-01-05T18:00", 2, "daily", SHANGHAI)

    assert spans(nightly, "2026-01-05T00:00", 2) == [
        ("01-05 18:00", "01-05 20:00"),
        ("01-06 18:00", "01-06 20:00"),
    ]
    assert spans(nightly, "2026-03-01T19:59", 1) == [("03-01 18:00", "03-01 20:00")]
    assert spans(nightly, "2026-03-01T20:00", 1) == [("03-02 18:00", "03-02 20:00")]


def test_the_wall_decides_when_the_clocks_change():
    """In Berlin the hour from 2 to 3 is missing on 29 March and comes twice on 25 October 2026."""
    nightly = series("2026-03-27T00:00", 3, "daily", BERLIN)  # 01:00 to 04:00 there
    assert spans(nightly, "2026-03-28T12:00", 2) == [
        ("03-29 00:00", "03-29 02:00"),
        ("03-29 23:00", "03-30 02:00"),
    ]
    assert spans(nightly, "2026-10-24T12:00", 2) == [
        ("10-24 23:00", "10-25 03:00"),
        ("10-26 00:00", "10-26 03:00"),
    ]


def test_an_hour_that_a_day_does_not_have_comes_later():
    begins_in_it = series("2026-03-28T01:30", 0.5, "daily", BERLIN)  # 02:30 to 03:00 there
    assert spans(begins_in_it, "2026-03-28T12:00", 1) == [("03-29 01:30", "03-29 02:00")]
    ends_in_it = series("2026-03-28T00:30", 1, "daily", BERLIN)  # 01:30 to 02:30 there
    assert spans(ends_in_it, "2026-03-28T12:00", 1) == [("03-29 00:30", "03-29 01:30")]


def test_an_hour_that_comes_twice_is_open_both_times():
    twice = series("2026-10-24T00:30", 0.25, "daily", BERLIN)  # 02:30 to 02:45 there
    assert spans(twice, "2026-10-24T12:00", 1) == [("10-25 00:30", "10-25 01:45")]


def test_weekdays_and_the_last_days_of_months():
    assert spans(series("2026-01-04T01:00", 2, "weekly"), "2026-02-02T00:00", 2) == [
        ("02-08 01:00", "02-08 03:00"),
        ("02-15 01:00", "02-15 03:00"),
    ]
    assert [
        begins for begins, _ in spans(series("2026-01-31T01:00", 2, "monthly"), "2026-01-31T04:00", 4)
    ] == [
        "02-28 01:00",
        "03-31 01:00",
        "04-30 01:00",
        "05-31 01:00",
    ]


def test_a_series_ends_and_leaves_out_what_is_skipped():
    until = at("2026-01-07T18:00")
    nightly = series("2026-01-05T18:00", 2, "daily", repeat_until=until, skipped_until=at("2026-01-06T18:00"))

    assert spans(nightly, "2026-01-05T00:00", 9) == [("01-07 18:00", "01-07 20:00")]
    assert nightly.over_at() == at("2026-01-07T20:00")
    assert series("2026-01-05T18:00", 2, "daily").over_at() is None


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (series("2026-01-05T18:00", 2, "daily"), series("2026-01-05T20:00", 2, "daily"), False),
        (series("2026-01-05T18:00", 2, "daily"), series("2026-01-05T19:00", 2, "daily"), True),
        (series("2026-01-05T18:00", 2, "daily"), series("2026-06-05T19:00", 1, None), True),
        (series("2026-01-05T18:00", 2, "daily"), series("2030-06-05T20:00", 1, None), False),
        (series("2026-01-05T01:00", 2, "weekly"), series("2026-01-06T01:00", 2, "weekly"), False),
        (series("2026-01-05T01:00", 2, "weekly"), series("2026-01-13T02:00", 2, "monthly"), True),
        # Apart in winter, together in summer.
        (series("2026-01-05T01:00", 1, "daily", BERLIN), series("2026-01-05T00:00", 1, "daily"), True),
        (series("2026-01-05T01:00", 1, "daily", BERLIN), series("2026-01-05T02:00", 1, "daily"), False),
    ],
)
def test_series_meet_as_far_as_can_be_foreseen(one, other, meet):
    now = at("2026-01-02T00:00")

    assert (one.meets(other, now), other.meets(one, now)) == (meet, meet)


@pytest.fixture
def plan(runtime, clock):
    def make(title="Nightly", begins=timedelta(hours=1), lasts=timedelta(hours=2), **values):
        start = clock.now() + begins
        given = {"title": title, "starts_at": start, "ends_at": start + lasts, **values}
        with runtime.sessions() as session:
            window = windows.create(session, runtime, given, actor="test")
            session.commit()
            return window.window_id

    return make


def act(runtime, does, window_id):
    with runtime.sessions() as session:
        does(session, runtime, window_id, actor="test")
        session.commit()


def excused(runtime, service_id):
    with runtime.sessions() as session:
        windows.apply(session, runtime)
        session.commit()
        health = session.get(ServiceHealth, service_id)
        return health.maintenance_until if health else None


def phase(runtime, window_id):
    with runtime.sessions() as session:
        window = session.get(MaintenanceWindow, window_id)
        return windows.phase(window, runtime.clock.now()) if window else "gone"


def test_a_window_that_repeats_excuses_each_time(plan, runtime, clock, add, vendors):
    service_id = add("Mail", vendors().url)
    window = plan(services=[service_id], repeats="daily", time_zone=SHANGHAI)
    assert (phase(runtime, window), excused(runtime, service_id)) == ("planned", None)
    for _ in range(2):
        clock.advance(3600)
        assert excused(runtime, service_id) == clock.now() + timedelta(hours=2)
        assert phase(runtime, window) == "active"
        clock.advance(7200)
        assert (phase(runtime, window), excused(runtime, service_id)) == ("planned", None)
        clock.advance(21 * 3600)


def test_one_time_is_left_out_and_the_next_is_kept(plan, runtime, clock, add, vendors):
    service_id = add("Mail", vendors().url)
    window = plan(repeats="daily")
    act(runtime, windows.skip, window)
    clock.advance(3600)
    assert (phase(runtime, window), excused(runtime, service_id)) == ("planned", None)

    clock.advance(86_400)
    assert phase(runtime, window) == "active"
    act(runtime, windows.skip, window)  # it is done early today
    assert (phase(runtime, window), excused(runtime, service_id)) == ("planned", None)
    act(runtime, windows.end, window)
    clock.advance(86_400)
    assert (phase(runtime, window), excused(runtime, service_id)) == ("over", None)


def test_ending_stops_what_is_open_and_what_would_come(plan, runtime, clock):
    running, coming = plan(repeats="weekly"), plan("Once", timedelta(days=1))
    clock.advance(3700)
    act(runtime, windows.end, running)
    act(runtime, windows.end, coming)

    assert (phase(runtime, running), phase(runtime, coming)) == ("over", "gone")
    with runtime.sessions() as session:
        assert [one.title for one in windows.listed(session, clock.now())] == ["Nightly"]


def test_windows_are_listed_by_when_they_come(plan, runtime, clock):
    plan("Daily", timedelta(hours=-5), repeats="daily")
    plan("Soon", timedelta(hours=2))
    plan("Later", timedelta(days=2), timedelta(hours=1))

    with runtime.sessions() as session:
        assert [one.title for one in windows.listed(session, clock.now())] == ["Soon", "Daily", "Later"]


def test_the_last_time_left_out_ends_a_series(plan, runtime, clock):
    window = plan(repeats="daily", repeat_until=clock.now() + timedelta(hours=2))
    act(runtime, windows.skip, window)

    assert phase(runtime, window) == "over"
    with pytest.raises(Invalid):
        act(runtime, windows.skip, window)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WRONG = [
    ({"lasts": -HOUR}, "ends_at"),
    ({"lasts": 31 * DAY}, "ends_at"),
    ({"begins": -3 * HOUR}, "ends_at"),
    ({"begins": 2000 * DAY}, "starts_at"),
    ({"begins": -40 * DAY, "repeats": "daily"}, "ends_at"),
    ({"lasts": DAY, "repeats": "daily"}, "ends_at"),
    ({"lasts": 7 * DAY, "repeats": "weekly"}, "ends_at"),
    ({"lasts": 28 * DAY, "repeats": "monthly"}, "ends_at"),
    ({"repeats": "yearly"}, "repeats"),
    ({"repeats": "daily", "time_zone": "Mars/Base"}, "time_zone"),
    ({"repeat_until": 5 * DAY}, "repeat_until"),
    ({"repeats": "daily", "repeat_until": timedelta(0)}, "repeat_until"),
    ({"repeats": "daily", "begins": -5 * DAY, "repeat_until": -2 * DAY}, "repeat_until"),
    ({"services": ["nobody"]}, "services"),
]


@pytest.mark.parametrize(("values", "field"), WRONG)
def test_windows_that_make_no_sense_are_refused(plan, clock, values, field):
    until = values.get("repeat_until")
    given = {**values, **({"repeat_until": clock.now() + until} if until is not None else {})}
    with pytest.raises(Invalid) as refused:
        plan(**given)

    assert [flaw.field for flaw in refused.value.errors] == [field]


def test_windows_that_overlap_are_refused_unless_they_share_no_service(plan, add, vendors):
    url = vendors().url
    mail, post = add("Mail", url), add("Post", url)
    plan(services=[mail], repeats="daily")
    plan("Post", services=[post], repeats="daily")
    with pytest.raises(Invalid) as refused:
        plan("Once", timedelta(days=9, hours=2), services=[mail])

    assert refused.value.errors[0].code == "overlap"
    assert "Nightly" in str(refused.value.errors[0].message)


def test_the_leader_tells_health_when_a_window_opens_and_closes(plan, runtime, clock, add, vendors):
    service_id = add("Mail", vendors().url)
    plan(services=[service_id], repeats="daily")
    leader, other = Monitor(runtime), Monitor(runtime)
    leader.lead()
    seen = []
    for hours in (0, 1, 2):
        clock.advance(3600 * hours)
        leader.lead()
        other.keep_windows()
        leader.keep_windows()
        with runtime.sessions() as session:
            health = session.get(ServiceHealth, service_id)
            seen.append(bool(health and health.maintenance_until))
    leader.stop()

    assert seen == [False, True, False]


def change(runtime, window_id, **values):
    with runtime.sessions() as session:
        window = windows.find(session, window_id)
        given = {name: getattr(window, name) for name in WindowFields.model_fields} | values
        windows.change(session, runtime, window_id, given, actor="test")
        session.commit()


def test_a_window_that_is_open_is_changed(plan, runtime, clock, add, vendors):
    service_id, other = add("Mail", vendors().url), add("Post", vendors().url)
    window = plan("Move", services=[service_id])
    clock.advance(90 * 60)
    change(runtime, window, ends_at=clock.now() + timedelta(hours=2))
    with runtime.sessions() as session:
        assert session.get(ServiceHealth, service_id).maintenance_until == clock.now() + timedelta(hours=2)

    change(runtime, window, services=[other])
    with runtime.sessions() as session:
        assert session.get(ServiceHealth, service_id).maintenance_until is None
        assert session.get(ServiceHealth, other).maintenance_until is not None


def test_what_was_left_out_stays_so_until_the_times_change(plan, runtime, clock):
    window = plan("Nightly", repeats="daily")
    with runtime.sessions() as session:
        windows.skip(session, runtime, window, actor="test")
        session.commit()
    change(runtime, window, title="Every night")
    with runtime.sessions() as session:
        coming = windows.to_dict(windows.find(session, window), clock.now())["next"]
        assert coming["starts_at"].startswith("2026-01-03")

    change(runtime, window, ends_at=clock.now() + timedelta(hours=5))
    with runtime.sessions() as session:
        coming = windows.to_dict(windows.find(session, window), clock.now())["next"]
        assert coming["starts_at"].startswith("2026-01-02")


def test_one_that_has_repeated_for_long_is_changed_and_one_that_is_over_is_not(plan, runtime, clock):
    nightly = plan("Nightly", repeats="daily")
    clock.advance(90 * 86_400)
    change(runtime, nightly, title="Every night")
    with runtime.sessions() as session:
        windows.end(session, runtime, nightly, actor="test")
        session.commit()
    with pytest.raises(Invalid):
        change(runtime, nightly, title="Too late")
