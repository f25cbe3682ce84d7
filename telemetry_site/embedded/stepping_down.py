"""Started as root, Candid goes on as the unprivileged user of the data dir (`accounts.py`).

What has to be done as root comes first: the data dir is made, or handed over with what earlier commands of
root have left in it, and secrets are read from files that only root can read. Then this process becomes that
user, and runs the same command from the start. Where the user cannot read the program or write the data dir,
the command stays root's; the servers run as the user even then (`home.py`).
"""

import compileall
import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from telemetry_site.embedded.accounts import Account, account_of, owner_of
from telemetry_site.embedded.errors import EmbeddedError, say
from telemetry_site.embedded.home import moved_to

SECRETS = ("SECRET_KEY", "ID_HASH_KEY", "CONSENT_LOG_KEY", "OPERATOR_TOKEN", "HEARTBEAT_KEY")
PACKAGES = ("postgres", "consent", "analytics", "ingest", "dashboards", "telemetry_site")
# What a data dir, or the place to which the servers have moved, holds beside the servers' own directories.
MARKERS = {"version", "data-dir"}  # a directory that holds one of these is ours
OURS = MARKERS | {"keys.json", "servers-are-in", "sockets-are-in", "starting.lock", "lease.lock", "address"}
OURS |= {"postgres.log", "postgres.log.1", "redis.log", "redis.log.1", "demo-data", "demo-password", "static"}
PLACES = (
    "put Candid where every user can read it (below /opt), and the data dir in a place of its own (/var/lib)"
)
# Run as the user: which of these files cannot be read, and whether the data dir can be written.
PROBE = """
import json, os, sys
data_dir, *files = sys.argv[1:]
usable = os.access(data_dir, os.W_OK | os.X_OK)
print(json.dumps([usable, [file for file in files if not os.access(file, os.R_OK)]]))
"""


def step_down(base: Path, data_dir: Path, arguments: Sequence[str], *, starts_programs: bool) -> None:
    """As root, become the unprivileged user and start `manage.py` in `base` again with these arguments.

    Returns only if this is not root, or if it has to stay root; whoever starts programs is told why.
    """
    if os.geteuid() != 0:
        return
    try:
        account = _prepare(data_dir)
        usable, unreadable = _probe(account, base, data_dir)
    except (EmbeddedError, OSError, subprocess.SubprocessError) as error:
        _tell(starts_programs, f"there is no other user to run them ({error})")
        return
    program = [file for file in unreadable if file not in _secret_files().values()]
    if program or not usable:
        what = f"read {program[0]}" if program else f"write {data_dir}"
        _tell(starts_programs, f"the user {account.name} cannot {what}: {PLACES}")
        return
    _read_secrets(unreadable)
    if starts_programs and not sys.dont_write_bytecode:  # the user could not keep what Python compiles
        for package in PACKAGES:
            compileall.compile_dir(base / package, quiet=2)
    _become(account, data_dir)
    flags = sys.orig_argv[1 : sys.orig_argv.index(sys.argv[0])]
    command = [sys.executable, *flags, str(base / "manage.py"), *arguments]
    os.execv(sys.executable, command)  # noqa: S606  (a shell is what we do not want)


def hand_over(directory: Path, account: Account) -> None:
    """Give the user what root has left in a directory of ours. Follows no link, and touches nothing else."""
    with contextlib.suppress(OSError):
        opened = os.open(directory.resolve(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            names = set(os.listdir(opened))
            for name in (".", *(OURS & names)) if MARKERS & names else ():
                _give(name, opened, account)
        finally:
            os.close(opened)


def _give(name: str, directory: int, account: Account) -> None:
    with contextlib.suppress(OSError):
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        try:
            status = os.fstat(opened)
            is_ours = stat.S_ISDIR(status.st_mode) or status.st_nlink == 1  # not a file of root's elsewhere
            if status.st_uid == 0 and is_ours:
                os.fchown(opened, account.uid, account.gid)
        finally:
            os.close(opened)


def _prepare(data_dir: Path) -> Account:
    """Make the data dir, or hand it over; returns whom it belongs to."""
    place = moved_to(data_dir)
    account = (owner_of(place) if place else None) or account_of(data_dir)
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(mode=0o700, exist_ok=True)
    if data_dir.stat().st_uid == 0 and not any(data_dir.iterdir()):
        os.chown(data_dir, account.uid, account.gid)
    for directory in (data_dir, place):
        if directory:
            hand_over(directory, account)
    return account


def _probe(account: Account, base: Path, data_dir: Path) -> tuple[bool, list[str]]:
    """Whether the user may write the data dir, and which files of ours it may not read."""
    program = [base / "manage.py", base / "telemetry_site" / "settings.py", *map(Path, sys.path[1:])]
    files = [*(str(path) for path in program if path.exists()), *_secret_files().values()]
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-c", PROBE, str(data_dir), *files],
            user=account.uid, group=account.gid, extra_groups=[], cwd="/", env={}, capture_output=True,
            check=False,
        )  # fmt: skip
    except PermissionError as error:
        if error.filename == sys.executable:
            return True, [sys.executable]
        raise  # we may not become another user
    if asked.returncode != 0:
        return True, [sys.executable]
    usable, unreadable = json.loads(asked.stdout)
    return usable, unreadable


def _secret_files() -> dict[str, str]:
    """By variable: the files from which secrets are to be read."""
    named = {name: os.environ.get(f"{name}_FILE", "") for name in SECRETS if not os.environ.get(name)}
    return {name: file for name, file in named.items() if file}


def _read_secrets(unreadable: Sequence[str]) -> None:
    """Put secrets that only root can read into the environment; `checks.py` reports what nobody can read."""
    for name, file in _secret_files().items():
        if file in unreadable:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                os.environ[name] = Path(file).read_text().rstrip("\r\n")
                os.environ[f"{name}_FILE"] = ""  # not taken out: `.env` would bring it back


def _tell(starts_programs: bool, why: str) -> None:
    if starts_programs:
        say(f"all programs run as root. {why[0].upper()}{why[1:]}.")


def _become(account: Account, data_dir: Path) -> None:
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    os.environ |= {"HOME": str(data_dir), "USER": account.name, "LOGNAME": account.name}
