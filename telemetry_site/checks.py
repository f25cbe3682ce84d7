"""Django system checks of our settings: each problem with an id, a sentence and what to do.

The secrets are checked whenever a process starts (`apps.py`), the rest by `manage.py check`, which
`manage.py up` and most other commands run first.
"""

import os
import pwd
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError
from django.utils.module_loading import autodiscover_modules

from consent.decisions.tombstones import ERASE, KEEP
from consent.gate.rules import Profile
from consent.policies.event_lifetime import months_kept
from consent.registry.registry import RegistryError, files, load

SECRETS = ("SECRET_KEY", "ID_HASH_KEY", "CONSENT_LOG_KEY", "OPERATOR_TOKEN")
LEAST_CHARACTERS = 32  # of a secret
LEAST_KEPT = 16  # of one from before that rule (KEEP_SHORT_KEYS)
MAY_BE_KEPT = ("ID_HASH_KEY", "CONSENT_LOG_KEY")  # a new one of these loses something; see docs/privacy.md
A_NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def keys() -> list[CheckMessage]:
    """What is wrong with the secrets; no message quotes one. Nothing starts with such secrets."""
    return [*_unreadable_secrets(), *_missing_keys(), *_weak_secrets()]


def _unreadable_secrets() -> Iterator[CheckMessage]:
    for sentence in settings.UNREADABLE_SECRETS.values():
        yield Error(sentence, hint="Set one of the two; the file must be readable as UTF-8", id="candid.E043")


def _weak_secrets() -> Iterator[CheckMessage]:
    """A secret that can be guessed protects nothing, and one that is used twice is lost twice."""
    values = {name: value for name in SECRETS if (value := getattr(settings, name))}
    for name, value in values.items():
        if len(value) < least_characters(name):
            yield Error(
                f"{name} has {len(value)} characters; it needs {least_characters(name)}.",
                hint=_way_out_of_a_short_secret(name),
                id="candid.E041",
            )
    for name, other in combinations(values, 2):
        if values[name] == values[other]:
            yield Error(
                f"{name} and {other} are the same.",
                hint=f"Give each a text of its own, e.g. from: {A_NEW_KEY}; CONSENT_LOG_KEY may be left out",
                id="candid.E042",
            )


def least_characters(name: str) -> int:
    """How long this secret must be."""
    return LEAST_KEPT if name in MAY_BE_KEPT and name in settings.KEEP_SHORT_KEYS else LEAST_CHARACTERS


def _way_out_of_a_short_secret(name: str) -> str:
    new = f"Set it to a long random text, e.g. from: {A_NEW_KEY}"
    if name not in MAY_BE_KEPT:
        return new
    kept = f"keep it, with KEEP_SHORT_KEYS={name}, if it has {LEAST_KEPT} characters"
    return (
        f"{new}. If this instance has worked with it, a new one loses people's decisions: {kept}; "
        "otherwise read “The key” in docs/privacy.md first"
    )


def _missing_keys() -> list[CheckMessage]:
    """Production needs both keys: a random one would end all sessions, or change all pseudonyms."""
    required = {
        "candid.E001": ("SECRET_KEY", settings.SECRET_KEY_IS_SET),
        "candid.E002": ("ID_HASH_KEY", settings.ID_HASH_KEY_IS_SET),
    }
    return [
        Error(
            f"{name} is not set, and a production start needs it.",
            hint=f"Set it to a long random text, the same in every process, e.g. from: {A_NEW_KEY}",
            id=identifier,
        )
        for identifier, (name, is_set) in required.items()
        if settings.PRODUCTION and not is_set
    ]


def addresses() -> Iterator[CheckMessage]:
    """Production names both databases and Redis: nothing falls back to a default on this machine."""
    for name, identifier in (("ANALYTICS_DATABASE_URL", "candid.E009"), ("REDIS_URL", "candid.E010")):
        if settings.PRODUCTION and not getattr(settings, f"{name}_IS_SET"):
            yield Error(
                f"{name} is not set, although DATABASE_URL is.",
                hint="Set all three addresses, or none of them for the embedded servers.",
                id=identifier,
            )
    default, analytics = (settings.DATABASES[alias] for alias in ("default", "analytics"))
    if all(default.get(part) == analytics.get(part) for part in ("HOST", "PORT", "NAME")):
        yield Error(
            "DATABASE_URL and ANALYTICS_DATABASE_URL name the same database.",
            hint="Events need a database of their own; it may be on the same server.",
            id="candid.E011",
        )
    for alias, database in settings.DATABASES.items():
        if database["ENGINE"] != "django.db.backends.postgresql":
            yield Error(
                f"The database {alias} is not PostgreSQL.",
                hint="Use postgres://USER:PASSWORD@HOST:PORT/NAME.",
                id="candid.E013",
            )


def consent() -> Iterator[CheckMessage]:
    for name in ("CONSENT_PROFILE_CLOUD", "CONSENT_PROFILE_SELF_HOSTED"):
        if getattr(settings, name) not in list(Profile):
            yield Error(
                f"{name} is {getattr(settings, name)!r}.",
                hint=f"Use one of: {', '.join(Profile)}.",
                id="candid.E003",
            )
    if settings.ON_WITHDRAWAL not in (ERASE, KEEP):
        yield Error(
            f"ON_WITHDRAWAL is {settings.ON_WITHDRAWAL!r}.",
            hint=f"Use one of: {ERASE}, {KEEP}.",
            id="candid.E025",
        )
    if settings.RECEIPTS_DIR and not os.path.isdir(
        settings.RECEIPTS_DIR
    ):  # False below a closed directory, too
        yield Error(
            "RECEIPTS_DIR is not a directory.",
            hint=f"Make it where {_user()} can read and write it; or leave it out.",
            id="candid.E026",
        )
    elif settings.RECEIPTS_DIR and not os.access(settings.RECEIPTS_DIR, os.R_OK | os.W_OK | os.X_OK):
        yield Error(
            f"RECEIPTS_DIR cannot be written by {_user()}.",
            hint="Give it to this user, with what is in it: erasure receipts are copied there.",
            id="candid.E046",
        )
    if settings.CONSENT_NOTICE_SINCE and not _has_zone(settings.CONSENT_NOTICE_SINCE):
        yield Error(
            f"CONSENT_NOTICE_SINCE is {settings.CONSENT_NOTICE_SINCE!r}: not a time with a zone.",
            hint="Write it like 2026-01-31T09:00:00+00:00.",
            id="candid.E008",
        )
    if settings.COLLECTED_FILE and not Path(settings.COLLECTED_FILE).is_file():
        yield Error(
            "COLLECTED_FILE is not a file.",
            hint="It extends consent/registry/collected.toml, which is enough without it.",
            id="candid.E014",
        )


def collected() -> Iterator[CheckMessage]:
    """One message for each mistake. Only a warning: the earlier registry stays active (`start.py`)."""
    if settings.COLLECTED_FILE and not Path(settings.COLLECTED_FILE).is_file():
        return  # candid.E014 reports it
    try:
        load(files())
    except RegistryError as error:
        for mistake in error.mistakes:
            yield checks.Warning(
                f"The registry's files: {mistake}.",
                hint="Correct it, and run manage.py reload_registry. The earlier registry stays active.",
                id="candid.W001",
            )


def kept_keys() -> Iterator[CheckMessage]:
    for name in settings.KEEP_SHORT_KEYS:
        if name not in MAY_BE_KEPT:
            yield Error(
                f"KEEP_SHORT_KEYS is {','.join(settings.KEEP_SHORT_KEYS)!r}.",
                hint=f"Only {' and '.join(MAY_BE_KEPT)} may be kept; set a longer text for any other secret.",
                id="candid.E045",
            )


def numbers() -> Iterator[CheckMessage]:
    limits = {
        "EVENT_RETENTION_MONTHS": ("candid.E004", 1, 1200),
        "SUPPRESS_BELOW": ("candid.E012", 1, 1_000_000),
        "ANALYTICS_HOUR_UTC": ("candid.E015", 0, 23),
        "HEARTBEAT_INTERVAL_SECONDS": ("candid.E016", 1, 86_400),
        "OTLP_MAX_BODY_BYTES": ("candid.E017", 1, 2**31),
        "BODY_MEMORY_BYTES": ("candid.E020", 2 * settings.OTLP_MAX_BODY_BYTES, 2**40),
        "REQUESTS_WAITING": ("candid.E021", 0, 1_000_000),
        "KEY_REQUESTS_PER_SECOND": ("candid.E022", 0, 1_000_000),
        "KEY_BYTES_PER_SECOND": ("candid.E033", 0, 2**40),
        "PUBLISHABLE_KEY_REQUESTS_PER_SECOND": ("candid.E023", 0, 1_000_000),
        "CONSENT_REQUESTS_PER_SECOND": ("candid.E027", 0, 1_000_000),
        "NEW_NAMES_PER_DAY": ("candid.E018", 0, 1_000_000),
        "LICENSE_CACHE_TTL_SECONDS": ("candid.E019", 0, 31_536_000),
    }
    for name, (identifier, least, most) in limits.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            yield Error(f"{name} is {value}.", hint=f"Use a number from {least} to {most}.", id=identifier)


def places_and_times() -> Iterator[CheckMessage]:
    if not _is_time_zone(settings.REPORT_TIME_ZONE):
        yield Error(
            f"REPORT_TIME_ZONE is {settings.REPORT_TIME_ZONE!r}: no such time zone.",
            hint="Use an IANA name, e.g. UTC or Europe/Berlin.",
            id="candid.E005",
        )
    for name, identifier in (("PUBLIC_URL", "candid.E006"), ("HEARTBEAT_ENDPOINT", "candid.E007")):
        value = getattr(settings, name)
        if value and not _is_web_address(value, may_have_path=name != "PUBLIC_URL"):
            yield Error(
                f"{name} is {value!r}.", hint="Write it like https://telemetry.example.com.", id=identifier
            )


def proxies() -> Iterator[CheckMessage]:
    for proxy in settings.TRUSTED_PROXIES:
        try:
            trusts_everybody = ip_network(proxy, strict=False).prefixlen == 0
        except ValueError:
            trusts_everybody = False
            yield Error(
                f"TRUSTED_PROXIES: {proxy!r} is neither an address nor a network.",
                hint="Write it like 127.0.0.1 or 10.0.0.0/8.",
                id="candid.E024",
            )
        if trusts_everybody:
            yield Error(
                f"TRUSTED_PROXIES: {proxy!r} holds every address, so every client could claim any other.",
                hint="Name the addresses of your proxies.",
                id="candid.E044",
            )


def jobs() -> Iterator[CheckMessage]:
    """Each job of the timetable has one task, and each task a job."""
    from analytics.jobs.decorator import jobs_without_task
    from analytics.jobs.timetable import UnknownJob

    if any(numbers()):
        return  # reported above; the timetable needs these numbers
    try:
        autodiscover_modules("tasks")
    except UnknownJob as error:
        yield Error(str(error), hint="Or take @job off the function that names it.", id="candid.E028")
    for name in jobs_without_task():
        yield Error(
            f"The job “{name}” of analytics/jobs/timetable.py has no task.",
            hint=f"Put @job({name!r}) above a function in the tasks.py of its app.",
            id="candid.E028",
        )


@register()
def candid(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    parts: list[Callable[[], Any]] = [
        keys,
        kept_keys,
        addresses,
        consent,
        collected,
        numbers,
        places_and_times,
        proxies,
        jobs,
    ]
    return [message for part in parts for message in part()]


@register(deploy=True)
def deployed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*_https_without_proxy(), *_figures_for_anybody(), *_short_keys_kept()]


def _https_without_proxy() -> Iterator[CheckMessage]:
    """Candid speaks plain HTTP, so https means that there is a proxy."""
    if settings.PRODUCTION and settings.HTTPS and not settings.TRUSTED_PROXIES:
        yield checks.Warning(
            "TRUSTED_PROXIES is empty, although pages are served by https: no request seems to be https.",
            hint="Name the proxy that ends TLS. If nothing does, set PUBLIC_URL to http://….",
            id="candid.W041",
        )


def _figures_for_anybody() -> Iterator[CheckMessage]:
    if not settings.OPERATOR_TOKEN:
        yield checks.Warning(
            "OPERATOR_TOKEN is not set: whoever reaches the web port reads /metrics and the parts of /ready.",
            hint=f"Set it to a long random text, e.g. from: {A_NEW_KEY}; Prometheus sends it as a token.",
            id="candid.W042",
        )


def _short_keys_kept() -> Iterator[CheckMessage]:
    for name in MAY_BE_KEPT:
        if 0 < len(getattr(settings, name)) < LEAST_CHARACTERS:
            yield checks.Warning(
                f"{name} is shorter than {LEAST_CHARACTERS} characters, and kept (KEEP_SHORT_KEYS).",
                hint="If a person made it up, rather than chance, read “The key” in docs/privacy.md.",
                id="candid.W043",
            )


@register(Tags.database)
def published(app_configs: Any, databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Compares the setting with the published policy. Needs `check --database default`, and tables."""
    try:
        months = months_kept() if "default" in (databases or ()) else settings.EVENT_RETENTION_MONTHS
    except DatabaseError:
        return []
    if months == settings.EVENT_RETENTION_MONTHS:
        return []
    return [
        checks.Warning(
            f"EVENT_RETENTION_MONTHS is {settings.EVENT_RETENTION_MONTHS}, but events are kept for {months} "
            "months, as the published policy says.",
            hint="Publish the longer time with manage.py publish_policy, which asks everybody again.",
            id="candid.W002",
        )
    ]


def _user() -> str:
    try:
        return f"the user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"the user {os.geteuid()}"


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_web_address(text: str, *, may_have_path: bool) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (raises when it is no number)
    except ValueError:
        return False
    plain = (
        parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    )
    return plain and (may_have_path or parts.path in ("", "/"))
