"""Started as root, commands and programs run as the unprivileged user to whom the data dir belongs."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry_site import embedded
from telemetry_site.embedded.accounts import Account, system_account
from telemetry_site.embedded.stepping_down import hand_over, step_down
from tests.support.instances import ROOT, data_dir, environment, manage, place, processes
from tests.support.programs import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

WHO = """
import json, os
from django.conf import settings
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), settings.SECRET_KEY]))
"""


@pytest.fixture
def account() -> Account:
    return system_account()


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """One data dir for several tests: creating a cluster takes longer than starting it."""
    with data_dir() as path:
        yield path


@pytest.fixture
def directory() -> Iterator[Path]:
    with data_dir() as path:
        yield path


def who(directory: Path, **variables: str) -> Any:
    """Ids, groups and SECRET_KEY of a command that root starts."""
    ended = manage("shell", "--no-imports", "-c", WHO, "--data-dir", str(directory), **variables)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def of_root(directory: Path) -> list[str]:
    return [str(path) for path in (directory, *directory.rglob("*")) if path.lstat().st_uid == 0]


def as_user(account: Account, directory: Path) -> subprocess.CompletedProcess[str]:
    """A command that the user starts, without root."""
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", WHO, "--data-dir", str(directory)],
        user=account.uid, group=account.gid, extra_groups=[],
        cwd=ROOT, env=environment(HOME=str(directory)), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_command_of_root_runs_as_the_user_and_leaves_nothing_of_roots(used: Path, account: Account) -> None:
    uids, gids, groups, _ = who(used)
    assert (uids, gids, groups) == ([account.uid] * 3, [account.gid] * 3, [])
    assert of_root(used) == []
    assert processes(used) == []


def test_what_root_left_in_a_data_dir_of_an_earlier_version_locks_nobody_out(
    used: Path, account: Account
) -> None:
    """Then, the data dir and all files beside the servers' own were root's."""
    who(used)
    for path in (used, *(path for path in used.iterdir() if path.is_file())):
        os.chown(path, 0, 0)
    keys = json.loads((used / "keys.json").read_text())
    assert as_user(account, used).returncode != 0
    assert who(used)[3] == keys["SECRET_KEY"]
    assert of_root(used) == []
    assert as_user(account, used).returncode == 0


def test_what_stays_roots_leaves_no_file_of_roots_either(directory: Path) -> None:
    """Such as makemigrations: it writes to the directory of the code."""
    embedded.start(directory, durable=False).stop()
    assert of_root(directory) == []


def test_the_owner_of_a_data_dir_is_the_user(directory: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    directory.mkdir(mode=0o700)
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    assert who(directory)[0] == [nobody.pw_uid] * 3
    assert {path.lstat().st_uid for path in directory.rglob("*")} == {nobody.pw_uid}


def test_a_secret_in_a_file_that_only_root_reads_is_read_before(used: Path) -> None:
    with place() as secrets:
        file = secrets / "key"
        file.write_text("secret-of-root-" * 3 + "\n")
        file.chmod(0o600)
        uids, _, _, key = who(used, SECRET_KEY_FILE=str(file))
    assert uids[0] != 0
    assert key == "secret-of-root-" * 3


def test_where_the_user_cannot_go_root_stays_and_says_why(account: Account) -> None:
    with place() as parent:
        hidden = parent / "hidden"
        hidden.mkdir(mode=0o700)
        ports = ["--port", "1", "--otlp-port", "1", "--grpc-port", str(free_port())]
        refused = manage("up", *ports, "--data-dir", str(hidden / "data"))
        home = Path((hidden / "data" / "servers-are-in").read_text())
        assert refused.returncode == 1
        assert f"all programs run as root. The user {account.name} cannot write" in refused.stderr
        assert hidden.stat().st_mode & 0o777 == 0o700
        subprocess.run(["rm", "-r", str(home)], check=True)


def test_where_the_user_cannot_run_this_python_root_stays_and_says_why(
    directory: Path, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with place() as parent:
        (parent / "root").mkdir(mode=0o700)
        python = parent / "root" / "python"
        python.symlink_to(sys.executable)
        monkeypatch.setattr(sys, "executable", str(python))
        step_down(ROOT, directory, ["up"], starts_programs=True)
    assert (
        f"all programs run as root. The user {account.name} cannot read {python}" in capsys.readouterr().err
    )
    assert os.geteuid() == 0


def test_handing_over_follows_no_link_and_touches_only_what_is_ours(account: Account) -> None:
    with place() as parent:
        outside = [parent / name for name in ("linked", "hard-linked")]
        directory, strange = parent / "data", parent / "strange"
        for folder in (directory, strange):
            folder.mkdir()
            (folder / "keys.json").write_text("{}")
        for path in (*outside, directory / "version", directory / "photo.jpg"):
            path.write_text("root's")
        (directory / "lease.lock").symlink_to(outside[0])
        os.link(outside[1], directory / "starting.lock")
        hand_over(directory, account)
        hand_over(strange, account)  # no data dir: somebody has mistyped it
        given = {str(path.relative_to(parent)) for path in parent.rglob("*") if path.lstat().st_uid}
        assert given == {"data", "data/version", "data/keys.json"}
