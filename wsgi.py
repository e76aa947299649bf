"""The application, for gunicorn and for `flask --app wsgi`."""

from __future__ import annotations

import click

from webapp import create_app
from webapp.config import ConfigError
from webapp.vault import KeyRefused

try:
    app = create_app()
except (ConfigError, KeyRefused) as error:
    # The command line shows the sentence alone; gunicorn stops instead of starting workers for ever.
    raise click.ClickException(str(error)) from None
