"""`flask --app wsgi logs`: what was called, as it comes in, and taking away what has had its time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import click
from flask.cli import AppGroup, with_appcontext

from webapp.engine import replay as replaying
from webapp.extensions import runtime
from webapp.log import export as exporting
from webapp.log.entries import LogEntry
from webapp.log.filters import FilterInvalid, LogFilter
from webapp.log.language_services import Services
from webapp.log.retention import Kept
from webapp.log.rollups_repair import repair
from webapp.monitor import retention
from webapp.vault import audit

ACTOR = "cli"
POLL_S = 1.0
group = AppGroup("logs", help="The log of calls.")


@group.command("tail")
@click.option("--query", "-q", default="", help="Which attempts, such as “outcome:failed service:Mail”.")
@click.option("--lines", "-n", type=click.IntRange(0, 200), default=20, show_default=True)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes in, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@with_appcontext
def tail(query: str, lines: int, follow: bool, as_json: bool) -> None:
    """Print the newest attempts, the oldest of them first."""
    with runtime().sessions() as session:
        services = Services.known(session)
    wanted = _wanted({"q": query}, services)
    for entry in _entries(wanted, lines, follow=follow):
        click.echo(json.dumps(entry.to_dict(), ensure_ascii=False) if as_json else _line(entry))


def _entries(wanted: LogFilter, lines: int, *, follow: bool) -> Iterator[LogEntry]:
    log, last = runtime().log, 0
    found = log.search(wanted, max(lines, 1)).items
    while True:
        yield from reversed(found if last else found[:lines])
        last = max([last, *(entry.log_id for entry in found)])
        if not follow:
            return
        runtime().clock.sleep(POLL_S)
        found = tuple(entry for entry in log.search(wanted, 200).items if entry.log_id > last)


def _line(entry: LogEntry) -> str:
    took = f"{entry.duration_ms} ms" if entry.duration_ms is not None else "–"
    words = (
        f"{entry.request_timestamp:%Y-%m-%dT%H:%M:%SZ}", f"{entry.outcome:9}", f"{entry.response_status_code or '–':>4}",
        f"{took:>9}", entry.request_endpoint or entry.operation or entry.kind, entry.code or "",
    )  # fmt: skip
    return "  ".join(words).rstrip()


@group.command("show")
@click.argument("call_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True, help="As the API shows it.")
@with_appcontext
def show(call_id: int, as_json: bool) -> None:
    """Print a call with its attempts, and the calls it was made again as."""
    call = runtime().log.call(call_id)
    if call is None:
        raise click.ClickException("There is no such call.")
    with runtime().sessions() as session:
        links = replaying.links(session, call_id)
    if as_json:
        click.echo(json.dumps(call.to_dict() | links, ensure_ascii=False))
        return
    click.echo(
        "  ".join(
            filter(None, (str(call_id), call.operation, call.outcome, call.code, call.integration_point))
        )
    )
    for entry in call.attempts:
        click.echo(_line(entry))
    if links["replay_of"]:
        click.echo(f"It makes {links['replay_of']} again.")
    for one in links["replays"]:
        click.echo(f"It was made again as {one['call_id']} by {one['actor']}.")


@group.command("prune")
@click.option("--days", type=click.IntRange(0, 3650), help="How long attempts are kept; as set unless given.")
@click.option("--body-days", type=click.IntRange(0, 3650), help="How long bodies are kept.")
@click.option("--max-mb", type=click.IntRange(0), help="How large the log may be; 0 is no limit.")
@click.option(
    "--seconds", type=click.IntRange(1), default=3600, show_default=True, help="How long it may take."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@with_appcontext
def prune(days: int | None, body_days: int | None, max_mb: int | None, seconds: int, dry_run: bool) -> None:
    """Take away bodies, attempts and calls that have had their time; exit status 1 when time ran out."""
    usual = retention.kept(runtime().config)
    kept = Kept(
        usual.bodies if body_days is None else timedelta(days=body_days),
        usual.rows if days is None else timedelta(days=days),
        usual.most_bytes if max_mb is None else max_mb * 1024 * 1024,
    )
    if dry_run:
        would = runtime().log.freed(kept)
        click.echo(f"{would.attempts} attempts, {would.bodies} bodies, {would.size // 1024} KB would go.")
        return
    gone = runtime().log.prune(kept, seconds)
    click.echo(
        f"{gone.attempts} attempts, {gone.bodies} bodies, {gone.calls} calls went; {gone.size // 1024} KB are free again."
    )
    if not gone.finished:
        raise click.ClickException("Time ran out; there is more to take away.")


@group.command("export")
@click.option("--query", "-q", default="", help="Which attempts, such as “outcome:failed service:Mail”.")
@click.option("--from", "since", default="", help="Not before this time, such as 2026-11-23T04:05:06Z.")
@click.option("--to", "until", default="", help="Before this time.")
@click.option("--format", "kind", type=click.Choice([*exporting.TYPES]), default="ndjson", show_default=True)
@click.option("--limit", type=click.IntRange(1, exporting.MOST), default=exporting.MOST, show_default=True)
@with_appcontext
def export(query: str, since: str, until: str, kind: str, limit: int) -> None:
    """Print attempts, the newest first, without what was sent and received; it is audited."""
    with runtime().sessions() as session:
        wanted = _wanted({"q": query, "from": since, "to": until}, Services.known(session))
        detail = {"format": kind, "search": exporting.told(wanted), "at_most": limit}
        audit.append(session, runtime(), actor=ACTOR, action="logs.export", target="logs", detail=detail)
        session.commit()
    for line in exporting.lines(kind, runtime().log.search, wanted, limit):
        click.echo(line, nl=False)


@group.command("recount")
@click.option("--days", type=click.IntRange(1, 400), default=2, show_default=True, help="How far back.")
@with_appcontext
def recount(days: int) -> None:
    """Compare the sums behind charts and metrics with the attempts and calls, and add what differs."""
    now = runtime().clock.now()
    wrong = repair(runtime().engine, now, now - timedelta(days=days))
    click.echo(f"{wrong} sums were wrong and are right now." if wrong else "Every sum was right.")


def _wanted(given: dict[str, str], services: Services) -> LogFilter:
    try:
        return LogFilter.parse(given, services)
    except FilterInvalid as invalid:
        raise click.ClickException("\n".join(str(error.message) for error in invalid.errors)) from None
