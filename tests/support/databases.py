"""Databases for tests: migrated once per run, then copied, which takes a tenth of the time."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connections

RUN = "CANDID_TEST_RUN"  # variable: what the databases of this run, of all its workers, have in their names
VARIABLES = {"default": "DATABASE_URL", "analytics": "ANALYTICS_DATABASE_URL"}
MAKING_TEMPLATES = 3_141_592  # an advisory lock in the database that DATABASE_URL names


def template(alias: str) -> str:
    return f"candid_test_{os.environ[RUN]}_{alias}"


def addresses(names: Mapping[str, str]) -> dict[str, str]:
    """Environment variables with the addresses of these databases (alias: name)."""
    return {VARIABLES[alias]: named(os.environ[VARIABLES[alias]], name) for alias, name in names.items()}


def named(url: str, database: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@contextmanager
def databases(*, migrated: bool = False) -> Iterator[dict[str, str]]:
    """Two more databases than the test run has, empty or migrated. Yields their names by alias."""
    suffix = uuid.uuid4().hex[:12]
    names = {alias: f"candid_test_{alias}_{suffix}" for alias in VARIABLES}
    if migrated:
        make_templates()
    try:
        for alias, name in names.items():
            source = f" TEMPLATE {template(alias)}" if migrated else ""
            execute(alias, f"CREATE DATABASE {name}{source}")
        yield names
    finally:
        for alias, name in names.items():
            execute(alias, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def make_templates() -> None:
    """Migrate the databases that others are copied from, unless another worker already has."""
    with server("default") as waiting:
        waiting.execute("SELECT pg_advisory_lock(%s)", [MAKING_TEMPLATES])
        if waiting.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template("default")]).fetchone():
            return
        for alias in VARIABLES:
            execute(alias, f"CREATE DATABASE {template(alias)}_draft")
        with connected({alias: f"{template(alias)}_draft" for alias in VARIABLES}):
            call_command("migrate", verbosity=0, interactive=False)
        for alias in reversed(VARIABLES):  # `default` last: other workers look for it
            execute(alias, f"ALTER DATABASE {template(alias)}_draft RENAME TO {template(alias)}")


@contextmanager
def connected(names: Mapping[str, str]) -> Iterator[None]:
    """Django's connections, in all threads, use these databases inside the block."""
    usual = {alias: connections[alias].settings_dict["NAME"] for alias in names}
    _connect_to(names)
    try:
        yield
    finally:
        _connect_to(usual)


def _connect_to(names: Mapping[str, str]) -> None:
    for alias, name in names.items():
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name


def drop_templates() -> None:
    """Called at the end of a run if the servers outlive it."""
    for alias in VARIABLES:
        execute(alias, f"DROP DATABASE IF EXISTS {template(alias)}")


def execute(alias: str, statement: str) -> None:
    """Run a statement that may not be in a transaction, outside of the test databases."""
    with server(alias) as connection:
        connection.execute(statement)


def server(alias: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection to the database that the environment names, which tests leave alone."""
    return psycopg.connect(os.environ[VARIABLES[alias]], autocommit=True)
