"""`flask --app wsgi sandbox`: the pretend vendor, in the foreground."""

from __future__ import annotations

import click

from webapp.sandbox.server import HOST, make_sandbox_server


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5055, show_default=True, help="0 takes a free one."
)
def sandbox(port: int) -> None:
    """Run a local pretend vendor (SendGrid, Twilio, Aliyun SMS, plain HTTP) with fault knobs."""
    try:
        server = make_sandbox_server(port)
    except SystemExit:
        raise click.ClickException(f"Port {port} is taken; choose another with --port.") from None
    click.echo(
        f"Sandbox    http://{HOST}:{server.port}/   (allow it: PATCHBAY_EGRESS_ALLOW={HOST}:{server.port})"
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("")
    finally:
        server.server_close()
