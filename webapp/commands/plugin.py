"""Lets `flask routes` be two things: the list of addresses that Flask prints, and our commands for routes.

Flask looks for its own commands before it asks an application, so no application can add to one of them. An
installed plug-in can. `python -m webapp.commands.plugin` copies this module into the environment and announces it
there; `make` does so. It therefore imports nothing of ours, and serves any application, wherever it is checked out.
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import click
from flask.cli import NoAppException, ScriptInfo, routes_command

NAME = "patchbay_commands"
_INFO = "1.0"


class Routes(click.Group):
    """Flask's own command, with the application's group of the same name below it."""

    def __init__(self) -> None:
        super().__init__(
            routes_command.name,
            invoke_without_command=True,
            callback=_list_addresses,
            params=list(routes_command.params),
            help=routes_command.help,
            short_help=routes_command.short_help,
            add_help_option=True,
            subcommand_metavar="[COMMAND [ARGS]...]",
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the application's commands, if it has any."""
        group = _group(ctx)
        return group.list_commands(ctx) if group else []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of the application."""
        group = _group(ctx)
        return group.get_command(ctx, cmd_name) if group else None


@click.pass_context
def _list_addresses(ctx: click.Context, /, **options: object) -> None:
    if ctx.invoked_subcommand is None:
        ctx.invoke(routes_command, **options)


def _group(ctx: click.Context) -> click.Group | None:
    """What the application calls by our name; nothing when there is no application."""
    try:
        command = ctx.ensure_object(ScriptInfo).load_app().cli.commands.get(routes_command.name or "")
    except NoAppException as missing:
        click.secho(f"Error: {missing.format_message()}\n", err=True, fg="red")
        return None
    return command if isinstance(command, click.Group) else None


routes = Routes()


def install(into: Path) -> None:
    """Put this module into a directory of packages, with the note by which Flask finds it."""
    shutil.copyfile(__file__, into / f"{NAME}.py")
    notes = into / f"{NAME}-{_INFO}.dist-info"
    notes.mkdir(exist_ok=True)
    (notes / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {_INFO}\n")
    (notes / "entry_points.txt").write_text(f"[flask.commands]\nroutes = {NAME}:routes\n")
    (notes / "INSTALLER").write_text("make\n")
    files = (
        f"{NAME}.py",
        *(f"{notes.name}/{name}" for name in ("METADATA", "entry_points.txt", "INSTALLER")),
    )
    (notes / "RECORD").write_text("".join(f"{name},,\n" for name in (*files, f"{notes.name}/RECORD")))


if __name__ == "__main__":
    install(Path(sysconfig.get_path("purelib")))
