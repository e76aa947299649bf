"""What every test may ask for: an application on a fresh database, its parts, and a clock."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from adapters.kit.address import EgressPolicy
from adapters.kit.clock import FixedClock
from tests.needs import POSTGRESQL, require
from webapp import create_app
from webapp.config import Config
from webapp.db import engines, make_engine, upgrade
from webapp.models import Base
from webapp.runtime import Runtime

pytest_plugins = ["tests.people", "tests.peers.oidc_provider"] if find_spec("tests.people") else []


def pytest_addoption(parser):
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="where the application keeps its data",
    )


# A busy machine makes no invariant wrong; and what CI finds, everybody must be able to find again.
settings.register_profile(
    "patchbay", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("patchbay")


_DATABASES = {"database_url", "migrated_postgresql", "empty_postgresql", "postgresql_server", "request"}


def pytest_collection_modifyitems(config, items):
    """Leave out what no database can change, where the second one is tried."""
    if config.getoption("--database") == "sqlite":
        return
    kept = [item for item in items if not _DATABASES.isdisjoint(item.fixturenames)]
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


class NetworkRefused(BaseException):
    """A test reached for the real network; not an Exception, so that no code under test can swallow it."""


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Let tests speak to this machine only, and resolve no name but localhost."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex, sendto, getaddrinfo = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.socket.sendto,
        socket.getaddrinfo,
    )

    def check(sock, address):
        host = address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else "localhost"
        if not (host in ("localhost", "", "::1") or host.startswith(("127.", "::ffff:127."))):
            raise NetworkRefused(f"A test tried to reach {address}.")

    def local_connect(sock, address):
        check(sock, address)
        return connect(sock, address)

    def local_connect_ex(sock, address):
        check(sock, address)
        return connect_ex(sock, address)

    def local_sendto(sock, data, *rest):
        check(sock, rest[-1])
        return sendto(sock, data, *rest)

    def local_getaddrinfo(host, *args, **kwargs):
        if host in (None, "", "localhost", b"localhost") or is_literal(host):
            return getaddrinfo(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    patch.setattr(socket.socket, "connect", local_connect)
    patch.setattr(socket.socket, "connect_ex", local_connect_ex)
    patch.setattr(socket.socket, "sendto", local_sendto)
    patch.setattr(socket, "getaddrinfo", local_getaddrinfo)
    yield
    patch.undo()


def is_literal(host):
    host = host.decode() if isinstance(host, bytes) else host
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False


@pytest.fixture(scope="session", autouse=True)
def compiled_translations():
    """Compile each catalogue that is newer than its compiled form, as make does: pages are read in Chinese too."""
    for source in (Path(__file__).parents[1] / "translations").glob("*/LC_MESSAGES/messages.po"):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        unfinished = target.with_suffix(f".{uuid.uuid4().hex}.mo")
        with source.open("rb") as file, unfinished.open("wb") as compiled:
            write_mo(compiled, read_po(file, locale=source.parents[1].name))
        unfinished.replace(target)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory):
    """A migrated SQLite file to copy, because migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "patchbay.sqlite3"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_server():
    """The server to make databases on."""
    require("postgresql")
    return POSTGRESQL


@pytest.fixture
def empty_postgresql(postgresql_server):
    """An address of a database of this test alone, without tables."""
    yield from new_database(postgresql_server)


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server):
    """An address of a migrated database that lives as long as the session."""
    for url in new_database(postgresql_server):
        engine = make_engine(url)
        upgrade(engine)
        engine.dispose()
        yield url


def new_database(server):
    """Make a database, hand over its address, drop it in the end."""
    name = f"patchbay_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    yield (
        make_url(server)
        .set(drivername="postgresql+psycopg", database=name)
        .render_as_string(hide_password=False)
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(request, tmp_path):
    """The address of a migrated database without rows."""
    if request.config.getoption("--database") == "postgresql":
        url = request.getfixturevalue("migrated_postgresql")
        empty_tables(url)
        return url
    path = tmp_path / "patchbay.sqlite3"
    shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


def empty_tables(url):
    """Delete all rows, past the foreign keys and the guard of the audit log; truncating takes far longer."""
    statements = [
        "SET session_replication_role = replica",
        *(f"DELETE FROM {name}" for name in (*Base.metadata.tables, "call_words")),
    ]
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        connection.exec_driver_sql("; ".join(statements))
    engine.dispose()


@pytest.fixture(autouse=True)
def no_open_connection():
    """Close what a test left open: a warning about it would fail whichever test comes next."""
    yield
    for engine in engines():
        engine.dispose()


@pytest.fixture
def clock():
    """A clock that moves only when told to."""
    return FixedClock()


@pytest.fixture
def config(tmp_path, database_url):
    """The settings of a new installation that may reach this machine."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    return Config(
        data_dir=data_dir,
        database_url=database_url,
        egress=EgressPolicy.parse("127.0.0.0/8, ::1/128"),
        require_mfa=False,
    )


@pytest.fixture
def runtime(config, clock):
    """What the application runs on, usable without Flask."""
    runtime = Runtime.create(config, clock)
    yield runtime
    runtime.close()


@pytest.fixture
def app(runtime):
    """The application."""
    app = create_app(runtime=runtime)
    app.testing = True
    return app


@pytest.fixture
def client(app):
    """A browser without cookies."""
    return app.test_client()


@pytest.fixture
def session(runtime):
    """A database session of the test's own."""
    with runtime.sessions() as session:
        yield session
