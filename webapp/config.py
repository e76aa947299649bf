"""Settings of the installation, read from the environment once, strictly."""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.kit.address import EgressPolicy
from webapp import handoverconfig, keyconfig, oidcconfig, watchconfig

PREFIX = "PATCHBAY_"
# Read by the test suite and the benchmarks, not by the application.
# PATCHBAY_SECRET_… are secrets that the settings of services may refer to.
FOREIGN = ("PATCHBAY_TEST_", "PATCHBAY_BENCH_", "PATCHBAY_SECRET_")
SECRET = (
    "DATABASE_URL",
    "REDIS_URL",
    "KEK",
    "SECRET_KEY",
    *keyconfig.SECRET,
    *oidcconfig.SECRET,
    *handoverconfig.SECRET,
)
PLAIN = (
    "DATA_DIR",
    "BASE_URL",
    "KEK_FILE",
    "KEK_DIR",
    "KEY_PROVIDER",
    "KEY_GRACE_DAYS",
    "EGRESS_ALLOW",
    "TRUSTED_HOSTS",
    "PROXY_HOPS",
    "PROCESSES",
    "THREADS",
    "LOG_RETENTION_DAYS",
    "LOG_BODY_RETENTION_DAYS",
    "API_PREFIX",
    "DEBUG",
    "REQUIRE_MFA",
    "TOTP_WINDOW",
    *keyconfig.PLAIN,
    *oidcconfig.PLAIN,
    *watchconfig.PLAIN,
    *handoverconfig.PLAIN,
)
KEY_BYTES = 32
HOST = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.?(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
API_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
ON, OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class ConfigError(Exception):
    """A setting that cannot be used; says which variable and why, never its value when it is secret."""

    def __init__(self, variable: str, reason: str) -> None:
        self.variable = variable
        self.reason = reason
        super().__init__(f"{variable} {reason}")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the environment decides."""

    data_dir: Path
    database_url: str = field(repr=False)
    base_url: str | None = None
    kek: bytes | None = field(default=None, repr=False)
    kek_file: Path | None = None
    kek_dir: Path | None = None
    secret_key: bytes | None = field(default=None, repr=False)
    credentials_dir: Path | None = None
    key_provider: str = "local"
    places: keyconfig.KeyPlaces = field(default_factory=keyconfig.KeyPlaces)
    key_grace_days: int = 30
    egress: EgressPolicy = field(default_factory=lambda: EgressPolicy.parse(""))
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = 0
    log_retention_days: int = 30
    log_body_retention_days: int = 7
    log_max_mb: int = 0
    log_prune_seconds: int = 60
    api_prefix: str = ""
    metrics_allow: tuple[str, ...] = ()
    otel: bool = False
    processes: int = 4
    threads: int = 16
    redis_url: str | None = field(default=None, repr=False)
    debug: bool = False
    require_mfa: bool = True
    totp_window: int = 0
    oidc: oidcconfig.Provider | None = None
    handover: handoverconfig.Handover | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read the settings out of the environment; raises ConfigError for what cannot be understood."""
        reader = Reader(environ)
        provider = reader.choice("KEY_PROVIDER", keyconfig.PROVIDERS)
        data_dir = Path(reader.text("DATA_DIR") or "instance").expanduser().absolute()
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        return cls(
            data_dir=data_dir,
            database_url=reader.database_url(data_dir),
            base_url=reader.base_url(),
            kek=reader.key("KEK"),
            kek_file=reader.path("KEK_FILE"),
            kek_dir=reader.path("KEK_DIR"),
            secret_key=reader.key("SECRET_KEY"),
            credentials_dir=Path(credentials) if credentials else None,
            key_provider=provider,
            places=keyconfig.read_places(reader, provider),
            key_grace_days=reader.integer("KEY_GRACE_DAYS", default=30, least=0, most=3650),
            egress=reader.egress(),
            trusted_hosts=reader.hosts("TRUSTED_HOSTS"),
            proxy_hops=reader.integer("PROXY_HOPS", default=0, least=0, most=10),
            log_retention_days=reader.integer("LOG_RETENTION_DAYS", default=30, least=1, most=3650),
            log_body_retention_days=reader.integer("LOG_BODY_RETENTION_DAYS", default=7, least=0, most=3650),
            log_max_mb=reader.integer("LOG_MAX_MB", default=0, least=0, most=10**8),
            log_prune_seconds=reader.integer("LOG_PRUNE_SECONDS", default=60, least=1, most=3600),
            api_prefix=reader.api_prefix(),
            metrics_allow=reader.networks("METRICS_ALLOW"),
            otel=watchconfig.otel(reader),
            processes=reader.integer("PROCESSES", default=4, least=1, most=1000),
            threads=reader.integer("THREADS", default=16, least=1, most=1000),
            redis_url=reader.url("REDIS_URL", ("redis", "rediss", "unix")),
            debug=reader.boolean("DEBUG"),
            require_mfa=reader.boolean("REQUIRE_MFA", default=True),
            totp_window=reader.integer("TOTP_WINDOW", default=0, least=0, most=2),
            oidc=oidcconfig.read(reader),
            handover=handoverconfig.read(reader),
        )


class Reader:
    """Reads variables one by one and names the one it cannot read; empty means not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._refuse_unknown()

    def _refuse_unknown(self) -> None:
        """A mistyped name would silently leave its default in force, so it stops the start instead."""
        known = [PREFIX + name for name in PLAIN + SECRET] + [f"{PREFIX}{name}_FILE" for name in SECRET]
        for name in sorted(self.environ):
            if name.startswith(PREFIX) and name not in known and not name.startswith(FOREIGN):
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]}?" if close else "."
                raise ConfigError(name, f"is not a setting of Patchbay{hint}")

    def text(self, name: str) -> str | None:
        """Return the trimmed value of a setting; a secret one may come from the file that NAME_FILE names."""
        value = self.environ.get(PREFIX + name, "").strip()
        if name not in SECRET or name == "KEK":  # PATCHBAY_KEK_FILE is read by the vault, with its own rules
            return value or None
        path = self.environ.get(f"{PREFIX}{name}_FILE", "").strip()
        if value and path:
            raise ConfigError(PREFIX + name, f"and {PREFIX}{name}_FILE are both set; keep one of them.")
        return self._contents(f"{PREFIX}{name}_FILE", path) if path else value or None

    def _contents(self, variable: str, path: str) -> str:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ConfigError(variable, f"names {path}, which cannot be read: {reason}.") from None
        if not value:
            raise ConfigError(variable, f"names {path}, which is empty.")
        return value

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Stop the start because of a setting."""
        raise ConfigError(PREFIX + name, reason)

    def path(self, name: str) -> Path | None:
        """Return a path, absolute."""
        value = self.text(name)
        return Path(value).expanduser().absolute() if value else None

    def integer(self, name: str, *, default: int, least: int, most: int) -> int:
        """Return a whole number within its limits."""
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise ConfigError(PREFIX + name, f"must be a whole number from {least} to {most}.")
        return int(value)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Return a switch."""
        value = (self.text(name) or ("1" if default else "0")).lower()
        if value not in ON + OFF:
            raise ConfigError(PREFIX + name, "must be 1 or 0.")
        return value in ON

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of the choices, the first one by default."""
        value = self.text(name) or choices[0]
        if value not in choices:
            raise ConfigError(PREFIX + name, f"must be one of: {', '.join(choices)}.")
        return value

    def key(self, name: str) -> bytes | None:
        """Return 32 bytes given as base64."""
        value = self.text(name)
        if value is None:
            return None
        try:
            key = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(PREFIX + name, "is not valid base64.") from None
        if len(key) != KEY_BYTES:
            raise ConfigError(PREFIX + name, f"must hold {KEY_BYTES} bytes, but holds {len(key)}.")
        return key

    def url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        """Return an address of one of the schemes."""
        value = self.text(name)
        if value and (urlsplit(value).scheme not in schemes or "://" not in value):
            raise ConfigError(PREFIX + name, f"must start with {' or '.join(f'{s}://' for s in schemes)}.")
        return value

    def database_url(self, data_dir: Path) -> str:
        """Return the address of a SQLite file or a PostgreSQL database, with the driver we install."""
        value = self.text("DATABASE_URL")
        variable = f"{PREFIX}DATABASE_URL"
        if value is None:
            return f"sqlite:///{data_dir / 'patchbay.sqlite3'}"
        try:
            url = make_url(value)
        except ArgumentError:
            raise ConfigError(variable, "is not a database address.") from None
        if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
            return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        if url.drivername not in ("sqlite", "sqlite+pysqlite"):
            raise ConfigError(variable, "must start with sqlite:/// or postgresql://.")
        if not url.database or url.database == ":memory:":
            raise ConfigError(variable, "must name a file: several processes share the database.")
        return value

    def base_url(self) -> str | None:
        """Return the public address without a slash at its end."""
        value = self.text("BASE_URL")
        if value is None:
            return None
        if not _is_address(value):
            raise ConfigError(f"{PREFIX}BASE_URL", "must be an address such as https://patchbay.example.com.")
        return value.rstrip("/")

    def hosts(self, name: str) -> tuple[str, ...]:
        """Return host names; one that starts with a dot stands for its subdomains as well."""
        hosts = tuple(host.strip() for host in (self.text(name) or "").split(",") if host.strip())
        for host in hosts:
            if not HOST.fullmatch(host):
                raise ConfigError(PREFIX + name, f"holds {host!r}, which is not a host name.")
        return hosts

    def networks(self, name: str) -> tuple[str, ...]:
        """Return networks; an address alone is a network of one."""
        return watchconfig.networks(self, name)

    def api_prefix(self) -> str:
        """Return the path before /integrations, without a slash at its end."""
        value = (self.text("API_PREFIX") or "").rstrip("/")
        if not API_PREFIX.fullmatch(value):
            raise ConfigError(f"{PREFIX}API_PREFIX", "must be a path such as /api.")
        return value

    def egress(self) -> EgressPolicy:
        """Return which private targets may be reached."""
        try:
            return EgressPolicy.parse(self.text("EGRESS_ALLOW") or "")
        except ValueError as error:
            raise ConfigError(f"{PREFIX}EGRESS_ALLOW", f"cannot be read: {error}") from None


def _is_address(value: str) -> bool:
    """Whether this is where a site may be: a host, perhaps a port and a path, and nothing after them."""
    try:
        parts = urlsplit(value)
        in_range = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username is not None)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and in_range and plain
