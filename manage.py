#!/usr/bin/env python
"""Candid's command line. Without DATABASE_URL it starts its own PostgreSQL and Redis (embedded servers).

They keep their data in the data dir, which every command takes as `--data-dir DIR`; otherwise it is
CANDID_DATA_DIR, or else `var` beside this file.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import environ  # type: ignore[import-untyped]

BASE_DIR = Path(__file__).resolve().parent
NEED_NO_SERVERS = {
    "help", "version", "check", "collectstatic", "findstatic", "startapp", "startproject", "diffsettings",
    "makemessages", "compilemessages", "spectacular",
}  # fmt: skip
# Developers' commands: they write to the directory of the code, which is theirs.
STAY_ROOT = {"makemigrations", "squashmigrations", "optimizemigration", "test"}
# What a command has put into the environment for its own data dir, and which data dir that is. Commands that
# it starts inherit both: with another data dir they need other addresses, and above all other keys.
NAMES, PLACE = "CANDID_EMBEDDED_NAMES", "CANDID_EMBEDDED_IN"


def main() -> None:
    environ.Env.read_env(str(BASE_DIR / ".env"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings")
    arguments, chosen = without_data_dir(sys.argv)
    sys.argv[:] = arguments
    data_dir = chosen or BASE_DIR / (os.environ.get("CANDID_DATA_DIR") or "var")
    if os.environ.get(PLACE, str(data_dir)) != str(data_dir):
        forget_other_data_dir()
    os.environ["CANDID_DATA_DIR"] = str(data_dir)
    is_up = arguments[1:2] == ["up"] and not {"-h", "--help"} & set(arguments)
    if is_up or (needs_servers(arguments) and not set(arguments[1:2]) & STAY_ROOT):
        from telemetry_site.embedded.stepping_down import step_down

        step_down(BASE_DIR, data_dir, arguments[1:], starts_programs=is_up)
    with servers(data_dir) if needs_servers(arguments) else contextlib.nullcontext():
        run(arguments)


def run(arguments: list[str]) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"Candid: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def without_data_dir(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Take `--data-dir DIR` or `--data-dir=DIR` out of the arguments; relative to the current directory."""
    rest, chosen = [], None
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if name != "--data-dir":
            rest.append(argument)
        elif directory := value if equals else next(remaining, ""):
            chosen = Path(directory).expanduser().absolute()
        else:
            sys.exit("--data-dir needs a directory.")
    return rest, chosen


def forget_other_data_dir() -> None:
    """Take out of the environment what belongs to the data dir of the command that started this one."""
    for name in (*os.environ.pop(NAMES, "").split(","), PLACE):
        os.environ.pop(name, None)


def needs_servers(arguments: list[str]) -> bool:
    if os.environ.get("DATABASE_URL"):
        return False
    command = arguments[1] if len(arguments) > 1 else "help"
    asks_for_help = command.startswith("-") or {"-h", "--help"} & set(arguments)
    checks_databases = command == "check" and {"--database", "--tag"} & set(arguments)
    return bool(not asks_for_help and (command not in NEED_NO_SERVERS or checks_databases))


@contextlib.contextmanager
def servers(data_dir: Path) -> Iterator[None]:
    """Keep the embedded servers of this data dir running while the command runs."""
    from telemetry_site import embedded

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # dying at once would leave the servers running
            signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    try:
        running = embedded.start(data_dir, with_redis=not os.environ.get("REDIS_URL"))
    except embedded.EmbeddedError as error:
        sys.exit(f"Candid: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        values = running.environment()
        free = [name for name in values if not (os.environ.get(name) or os.environ.get(f"{name}_FILE"))]
        os.environ |= {name: values[name] for name in free} | {NAMES: ",".join(free), PLACE: str(data_dir)}
        yield
    finally:
        running.stop()


if __name__ == "__main__":
    main()
