"""`flask keys …`: the life of keys on the command line, the same steps as on the System page."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from webapp.extensions import runtime
from webapp.models.keystore import KeyJob
from webapp.vault import KeyRefused, KeysLocked, KeyStepRefused, ProviderError, audit, export, jobs, lifecycle
from webapp.vault.doctor import Report
from webapp.vault.heartbeat import Heartbeat, living

keys_group = AppGroup("keys", help="Keys that protect secrets: look at them, replace them, save them.")


def _actor() -> str:
    return f"cli:{getpass.getuser()}"[:254]


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (KeyStepRefused, KeyRefused, KeysLocked, ProviderError) as error:
        raise click.ClickException(str(error)) from None


def _step(work: Any, *args: Any, then: str | None = None, **options: Any) -> Any:
    """Take one step in a transaction, perhaps followed by a job."""
    with _plain_errors(), runtime().sessions() as session:
        result = work(session, runtime(), *args, actor=_actor(), **options)
        job = jobs.start(session, runtime(), then, actor=_actor()) if then else None
        session.commit()
    if job is not None:
        _follow(job)
    return result


def _job(kind: str, **detail: Any) -> KeyJob:
    with _plain_errors(), runtime().sessions() as session:
        if runtime().vault.state().locked:
            raise KeyStepRefused(_locked())
        job = jobs.start(session, runtime(), kind, actor=_actor(), detail=detail or None)
        session.commit()
    return _follow(job)


def _locked() -> Any:
    message = runtime().vault.state().message
    assert message is not None
    return message


def _follow(job: KeyJob) -> KeyJob:
    """Run a job here and now; when it cannot be finished, a running Patchbay goes on with it."""
    job = jobs.run_now(runtime(), job, Heartbeat(runtime(), "cli").id)
    click.echo(f"{job.kind}: {job.state}, {job.done} of {job.total} rows, {job.failed} cannot be opened")
    if job.state in ("waiting", "failed"):
        raise click.ClickException(f"The job is {job.state}: {json.dumps(job.detail)}")
    return job


@keys_group.command("list")
@with_appcontext
def list_keys() -> None:
    """List the keys, and the processes that can use each."""
    now = runtime().clock.now()
    with runtime().sessions() as session:
        processes = living(session, now)
        for kek in lifecycle.keks(session):
            users = sum(kek.fingerprint in process.fingerprints for process in processes)
            click.echo(
                f"{kek.fingerprint}  {kek.state:9}  {kek.kind:15}  {users} of {len(processes)} processes  {kek.uri}"
            )


@keys_group.command()
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@with_appcontext
def doctor(as_json: bool) -> None:
    """Open every secret; exit status 1 when one does not open or a key is missing."""
    with _plain_errors(), runtime().sessions() as session:
        job = jobs.start(session, runtime(), "doctor", actor=_actor())
        session.commit()
    job = jobs.run_now(runtime(), job, Heartbeat(runtime(), "cli").id)
    report = (job.detail or {}).get("report") or Report().to_dict()
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _tell(report)
    if not report["healthy"]:
        raise SystemExit(1)


def _tell(report: dict[str, Any]) -> None:
    for line in report["keys"]:
        here = "here" if line["here"] else "MISSING" if line["data_keys"] else "not here"
        click.echo(
            f"{line['fingerprint']}  {line['state']:9}  {line['kind']:15}  {here:8}  {line['data_keys']} data keys  {line['secrets']} secrets"
        )
    click.echo(f"{report['examined']} secrets examined")
    for reason, count in report["reasons"].items():
        click.echo(f"{count} cannot be opened: {reason}")
    for bad in report["unreadable"]:
        click.echo(
            f"  {bad['owner_type']} {bad['owner_id']} {bad['field']}: {bad['reason']} (key {bad['key_id']})"
        )


@keys_group.command()
@click.option("--existing", metavar="FINGERPRINT", help="Register a key that is configured already.")
@with_appcontext
def add(existing: str | None) -> None:
    """Make or register a further key; it wraps nothing until it is promoted."""
    kek = _step(lifecycle.add, existing=existing)
    click.echo(f"{kek.fingerprint}  {kek.uri}")


@keys_group.command()
@click.argument("fingerprint")
@with_appcontext
def promote(fingerprint: str) -> None:
    """Let a key wrap from now on, and wrap every data key anew with it."""
    kek = _step(lifecycle.promote, fingerprint, then="rewrap")
    click.echo(f"{kek.fingerprint} is in use.")


@keys_group.command()
@click.option("--all", "everything", is_flag=True, help="Also what the present key wrapped: new key version.")
@with_appcontext
def rewrap(everything: bool) -> None:
    """Wrap data keys anew with the present key."""
    _job("rewrap", **({"everything": True} if everything else {}))


@keys_group.command()
@with_appcontext
def rotate() -> None:
    """Give every scope a new data key, and seal every secret anew."""
    _job("rotate")


@keys_group.command()
@with_appcontext
def reencrypt() -> None:
    """Seal anew what is still under older data keys."""
    _job("reencrypt")


@keys_group.command()
@click.argument("fingerprint")
@with_appcontext
def retire(fingerprint: str) -> None:
    """Take a key out of use; it is kept for old backups."""
    click.echo(f"{_step(lifecycle.retire, fingerprint).fingerprint} is retired.")


@keys_group.command()
@click.argument("fingerprint")
@click.confirmation_option(prompt="Backups from before its retirement can never be opened again. Destroy it?")
@with_appcontext
def destroy(fingerprint: str) -> None:
    """Delete a retired key for ever, after its grace time."""
    click.echo(f"{_step(lifecycle.destroy, fingerprint).fingerprint} is destroyed.")


@keys_group.command("flush-cache")
@with_appcontext
def flush_cache() -> None:
    """Make every process ask the key provider again."""
    _step(lifecycle.flush)


@keys_group.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
@with_appcontext
def export_file(file: Path, passphrase_stdin: bool) -> None:
    """Write the local keys into a new file, protected by a passphrase."""
    phrase = _passphrase(passphrase_stdin, confirm=True)
    with _plain_errors(), runtime().sessions() as session:
        text = export.export_keys(runtime().config, phrase)
        audit.append(session, runtime(), actor=_actor(), action="key.exported", target="keystore")
        session.commit()
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


@keys_group.command("import")
@click.argument("file", type=click.File("r"))
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
@with_appcontext
def import_file(file: Any, passphrase_stdin: bool) -> None:
    """Put the keys of an export into the key directory."""
    phrase = _passphrase(passphrase_stdin, confirm=False)
    with _plain_errors(), runtime().sessions() as session:
        marks = export.import_keys(runtime().config, file.read(export.MOST_BYTES + 1), phrase)
        detail = {"fingerprints": marks}
        audit.append(
            session, runtime(), actor=_actor(), action="key.imported", target="keystore", detail=detail
        )
        session.commit()
    click.echo("\n".join(marks))


def _passphrase(from_stdin: bool, *, confirm: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm))
