"""Where processes keep their figures: one directory for each `up`, and none left behind."""

import fcntl
from pathlib import Path

import pytest

from telemetry_site import metrics


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "memory"
    place.mkdir()
    monkeypatch.setattr(metrics, "MEMORY", place)
    return place


def test_it_is_empty_in_memory_and_gone_afterwards(memory: Path, tmp_path: Path) -> None:
    with metrics.directory(tmp_path) as directory:
        assert directory.parent == memory
        (directory / "counter.db").write_text("1")
    assert list(memory.iterdir()) == []


def test_without_memory_it_is_in_the_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MEMORY", tmp_path / "none")
    with metrics.directory(tmp_path) as directory:
        assert directory.parent == tmp_path


def test_what_a_killed_one_left_goes_and_what_another_uses_stays(memory: Path, tmp_path: Path) -> None:
    left, used = memory / f"{metrics.PREFIX}left", memory / f"{metrics.PREFIX}used"
    for place in (left, used):
        place.mkdir()
        (place / "lock").touch()
    with (used / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with metrics.directory(tmp_path) as directory, metrics.directory(tmp_path) as another:
            assert {*memory.iterdir()} == {used, directory, another}
