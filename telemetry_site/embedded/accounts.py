"""Which user Candid runs as when root has started it, and what that user can reach.

PostgreSQL refuses to run as root, and nothing else should. So the servers, and where it is possible all
programs (`stepping_down.py`), run as the owner of the database's files if there are any, else as the owner of
the data dir, else as `candid` (a system user, made with useradd if there is none), else as `nobody`.
"""

import pwd
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from telemetry_site.embedded.errors import EmbeddedError, say


class Account(NamedTuple):
    """The user that the servers run as, if it is not the current one."""

    uid: int
    gid: int
    name: str


def account_of(data_dir: Path) -> Account:
    """Raises `EmbeddedError` if there is no such user, and none can be made."""
    return owner_of(data_dir) or _owner(data_dir) or system_account()


def owner_of(place: Path) -> Account | None:
    """The owner of the database's files there; None if there are none, or they are root's."""
    return _owner(place / "postgres")


def _owner(path: Path) -> Account | None:
    try:
        owner = path.stat()
    except FileNotFoundError:
        return None
    return Account(owner.st_uid, owner.st_gid, _name(owner.st_uid)) if owner.st_uid else None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def system_account() -> Account:
    for name in ("candid", "nobody"):
        if name == "candid" and not _exists(name) and (useradd := shutil.which("useradd")):
            options = [
                "--system",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
            ]
            useradd_run = subprocess.run([useradd, *options, name], capture_output=True, check=False)
            if useradd_run.returncode == 0:
                say("made the system user candid, because PostgreSQL does not run as root.")
        if _exists(name):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedError(
        "PostgreSQL does not run as root and there is no user `candid`: make one, or set DATABASE_URL."
    )


def _exists(name: str) -> bool:
    return name in {entry.pw_name for entry in pwd.getpwall()}


def reaches(account: Account, path: Path) -> bool:
    """Whether the account may enter this directory, or run this program. Asks the kernel, ACLs included."""
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False,
    )  # fmt: skip
    return asked.returncode == 0
