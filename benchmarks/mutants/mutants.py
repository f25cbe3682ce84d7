"""Reads the lists of slips, and checks them against the code that they change."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIELDS = {"file", "what", "before", "after", "tests", "equivalent"}


class WrongMutant(Exception):
    """A list does not fit the code. The message names the list, the slip and what is wrong."""


@dataclass(frozen=True)
class Mutant:
    """One slip: `before` occurs once in `file`, and `after` is put in its place.

    `tests` are paths, separated by spaces. `equivalent` says why no test can notice; '' where one should.
    """

    file: str
    what: str
    before: str
    after: str
    tests: str
    equivalent: str = ""

    def mutated(self, root: Path) -> str:
        """The file's text with the slip put in."""
        return (root / self.file).read_text().replace(self.before, self.after)


def lists() -> list[Path]:
    return sorted(HERE.glob("*.toml"))


def read(paths: Iterable[Path]) -> list[Mutant]:
    """All slips of these lists. Raises `WrongMutant`."""
    return [mutant for path in paths for mutant in _read(path)]


def _read(path: Path) -> Iterator[Mutant]:
    for number, entry in enumerate(tomllib.loads(path.read_text()).get("mutant", []), 1):
        try:
            mutant = Mutant(**entry)
        except TypeError as error:
            raise WrongMutant(
                f"{path.name}, slip {number}: {error}; the fields are {sorted(FIELDS)}"
            ) from error
        if mistake := _mistake(mutant):
            raise WrongMutant(f"{path.name}, slip {number} ({mutant.what}): {mistake}")
        yield mutant


def _mistake(mutant: Mutant) -> str:
    file = ROOT / mutant.file
    if not file.is_file():
        return f"there is no {mutant.file}"
    if missing := [test for test in mutant.tests.split() if not (ROOT / test.split("::")[0]).exists()]:
        return f"there is no {missing[0]}"
    times = file.read_text().count(mutant.before)
    if times != 1 or mutant.before == mutant.after:
        return f"`before` occurs {times} times in {mutant.file}, not once, or changes nothing"
    try:
        compile(mutant.mutated(ROOT), mutant.file, "exec")
    except SyntaxError as error:
        return f"it is no Python any more: {error}"
    return ""
