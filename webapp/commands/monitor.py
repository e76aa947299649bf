"""`flask --app wsgi health`, `alerts`, `maintenance` and `scheduler`: what looks after services, from a shell."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

from webapp.commands.routes import plain_errors
from webapp.extensions import runtime
from webapp.models.health import Lease, ServiceHealth
from webapp.models.service import Service
from webapp.monitor import Monitor, channels, rules, windows
from webapp.monitor.delivery import test_channel
from webapp.monitor.findings import BAD
from webapp.monitor.sweep import Sweep
from webapp.monitor.window_fields import WindowFields
from webapp.registry import services
from webapp.registry.shape import health_dict

ACTOR = "cli"
MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "–"}

alerts = AppGroup("alerts", help="Alert channels and rules.")
maintenance = AppGroup("maintenance", help="Times in which trouble is expected and nobody is alarmed.")


def register(app: Flask) -> None:
    """Attach the commands to the application."""
    for command in (health, alerts, maintenance, scheduler):
        app.cli.add_command(command)


@click.group("health", cls=AppGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.pass_context
@with_appcontext
def health(context: click.Context, as_json: bool) -> None:
    """How every service is, since when, and when it was checked last."""
    if context.invoked_subcommand is not None:
        return
    if not _is_checking():
        click.echo("Nobody checks at the moment: what stands here is old.", err=True)
    for line in _states():
        click.echo(json.dumps(line, ensure_ascii=False) if as_json else _health_line(line))


def _health_line(line: Mapping[str, Any]) -> str:
    moments = "  ".join(f"{_short(line[name]):16}" for name in ("since", "checked_at"))
    return f"{line['service_id']}  {line['state']:11}  {moments}  {line['service_name']}  {line['code'] or ''}".rstrip()


def _states() -> Iterator[dict[str, Any]]:
    query = (
        select(Service, ServiceHealth)
        .outerjoin(ServiceHealth, ServiceHealth.service_id == Service.service_id)
        .where(Service.deleted_at.is_(None))
        .order_by(Service.name_key)
    )
    now = runtime().clock.now()
    with runtime().sessions() as session:
        for service, row in session.execute(query):
            names = {name: getattr(service, name) for name in ("service_id", "service_name", "service_type")}
            yield names | health_dict(service, row, now)


def _is_checking() -> bool:
    with runtime().sessions() as session:
        until = session.scalar(select(Lease.until).where(Lease.name == "monitor"))
    return until is not None and runtime().clock.now() < until


def _short(moment: str | None) -> str:
    return moment[:16] if moment else "-"


@health.command("check")
@click.argument("service_id")
@with_appcontext
def check(service_id: str) -> None:
    """Check a service now, due or not, as the scheduler would; exit status 1 when the check fails."""
    with plain_errors(), runtime().sessions() as session:
        services.find(session, service_id)
    outcome = Sweep(runtime()).check_now(service_id)
    assert outcome is not None
    for stage in outcome.finding.stages:
        click.echo(
            f"{MARKS[stage['status']]} {stage['name']:16} {stage['message']}  ({stage['duration_ms']} ms)"
        )
    with runtime().sessions() as session:
        click.echo(session.get_one(ServiceHealth, service_id).state)
    if outcome.finding.mark in BAD:
        raise SystemExit(1)


@alerts.command("list")
@with_appcontext
def list_alerts() -> None:
    """List the channels with how they are, and the rules."""
    with runtime().sessions() as session:
        for channel in channels.listed(session):
            click.echo(
                f"channel  {channel.channel_id}  {channel.kind:8} {channel.name}  {channel.failure or ''}".rstrip()
            )
        for rule in rules.listed(session):
            click.echo(f"rule     {rule.rule_id}  {'on' if rule.is_enabled else 'off':8} {rule.name}")


@alerts.command("test")
@click.argument("channel_id")
@with_appcontext
def test(channel_id: str) -> None:
    """Send a message that says it is a test through a channel; exit status 1 when it does not go out."""
    with plain_errors(), runtime().sessions() as session:
        name = channels.find(session, channel_id).name
    result = test_channel(runtime(), channel_id)
    click.echo(f"{name}: {result.status}  {result.code or ''}".rstrip())
    if result.status != "sent":
        raise SystemExit(1)


@maintenance.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_appcontext
def list_windows(as_json: bool) -> None:
    """List what is planned and under way, the next first, then what is over."""
    now = runtime().clock.now()
    with runtime().sessions() as session:
        for window in windows.listed(session, now):
            told = windows.to_dict(window, now)
            click.echo(json.dumps(told, ensure_ascii=False) if as_json else _window_line(told))


def _window_line(told: Mapping[str, Any]) -> str:
    shown = told["next"] or told
    span = f"{_short(shown['starts_at'])} to {_short(shown['ends_at'])}"
    return f"{told['window_id']}  {told['state']:8} {span}  {told['repeats'] or 'once':8} {told['title']}"


@maintenance.command("add")
@click.argument("title")
@click.option("--from", "begins", required=True, help="Such as 2026-12-01T02:00, in the time zone.")
@click.option("--to", "ends", help="The same for the end; or give --minutes.")
@click.option("--minutes", type=click.IntRange(1, 43_200), help="How long it lasts.")
@click.option(
    "--service", "service_ids", multiple=True, help="Id of a service; repeat for several. None means all."
)
@click.option("--zone", default="UTC", show_default=True, help="The time zone, such as Asia/Shanghai.")
@click.option(
    "--repeat", "repeats", type=click.Choice(["daily", "weekly", "monthly"]), help="At the same hours."
)
@click.option("--until", help="When it repeats: it does not begin again after this.")
@with_appcontext
def add(title: str, begins: str, ends: str | None, minutes: int | None, **options: Any) -> None:
    """Plan a window, once or again and again; prints its id."""
    if (ends is None) == (minutes is None):
        raise click.UsageError("Say when it ends with either --to or --minutes.")
    zone, until = options["zone"], options["until"]
    starts_at = _moment(begins, zone, "--from")
    ends_at = _moment(ends, zone, "--to") if ends else starts_at + timedelta(minutes=minutes or 0)
    values = {
        "title": title, "services": list(options["service_ids"]), "starts_at": starts_at, "ends_at": ends_at,
        "repeats": options["repeats"], "time_zone": zone,
        "repeat_until": _moment(until, zone, "--until") if until else None,
    }  # fmt: skip
    with plain_errors(), runtime().sessions() as session:
        window = windows.create(session, runtime(), values, actor=ACTOR)
        session.commit()
        click.echo(window.window_id)


@maintenance.command("change")
@click.argument("window_id")
@click.option("--title")
@click.option("--from", "begins", help="When it begins, in the time zone.")
@click.option("--to", "ends", help="When it ends; or give --minutes.")
@click.option("--minutes", type=click.IntRange(1, 43_200), help="How long it lasts.")
@click.option("--service", "service_ids", multiple=True, help="Id of a service; repeat for several.")
@click.option("--all-services", is_flag=True, help="Over all services.")
@click.option("--zone", help="The time zone, such as Asia/Shanghai.")
@click.option("--repeat", "repeats", type=click.Choice(["once", "daily", "weekly", "monthly"]))
@click.option("--until", help="It does not begin again after this; `never` takes that away.")
@with_appcontext
def change(window_id: str, begins: str | None, ends: str | None, minutes: int | None, **options: Any) -> None:
    """Change a window that is planned or open; what is not named stays as it is."""
    if ends is not None and minutes is not None:
        raise click.UsageError("Say when it ends with either --to or --minutes.")
    with plain_errors(), runtime().sessions() as session:
        window = windows.find(session, window_id)
        values = {name: getattr(window, name) for name in WindowFields.model_fields}
        values |= _changed(window.time_zone, options)
        if begins:
            values["starts_at"] = _moment(begins, values["time_zone"], "--from")
            values["ends_at"] = values["starts_at"] + (window.ends_at - window.starts_at)
        if ends:
            values["ends_at"] = _moment(ends, values["time_zone"], "--to")
        if minutes:
            values["ends_at"] = values["starts_at"] + timedelta(minutes=minutes)
        windows.change(session, runtime(), window_id, values, actor=ACTOR)
        session.commit()


def _changed(zone: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say about anything but the times."""
    values: dict[str, Any] = {}
    if options["title"] is not None:
        values["title"] = options["title"]
    if options["service_ids"] or options["all_services"]:
        values["services"] = [] if options["all_services"] else list(options["service_ids"])
    if options["zone"]:
        values["time_zone"] = zone = options["zone"]
    if options["repeats"]:
        values["repeats"] = None if options["repeats"] == "once" else options["repeats"]
        if options["repeats"] == "once":
            values["repeat_until"] = None
    if options["until"]:
        never = options["until"] == "never"
        values["repeat_until"] = None if never else _moment(options["until"], zone, "--until")
    return values


@maintenance.command("end")
@click.argument("window_id")
@click.option("--once", is_flag=True, help="Only the time that is open, or the next one; the others stay.")
@with_appcontext
def end(window_id: str, once: bool) -> None:
    """End a window now and for good, or call it off before it began."""
    with plain_errors(), runtime().sessions() as session:
        (windows.skip if once else windows.end)(session, runtime(), window_id, actor=ACTOR)
        session.commit()


def _moment(text: str, zone: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        raise click.BadParameter(f"there is no such time zone: {zone}", param_hint="--zone") from None
    except ValueError:
        raise click.BadParameter(f"this is not a moment: {text}", param_hint=option) from None


@click.command()
@with_appcontext
def scheduler() -> None:
    """Do the periodic work in the foreground, beside or instead of the web processes, until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    monitor = Monitor(runtime())
    monitor.start()
    click.echo(f"Periodic work runs here whenever {monitor.lease.holder} holds the lease. Ctrl+C ends it.")
    stop.wait()
    monitor.stop(wait=True)
