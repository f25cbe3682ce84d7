"""For runs over many items: one failing item does not stop the rest; its error is raised at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded


class Failures:
    """The errors of a run so far."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    @contextmanager
    def keep(self, item: str) -> Iterator[None]:
        """Keep the block's error, with the item's name. Only `SoftTimeLimitExceeded` is raised at once."""
        try:
            yield
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            error.add_note(f"This was {item}.")
            self._errors.append(error)

    def raise_kept(self) -> None:
        """Raise what was kept: a single error as it was, several as a group that quotes the first."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            first = self._errors[0]
            reason = str(first).partition("\n")[0]  # a database's next lines quote rows
            raise ExceptionGroup(
                f"{len(self._errors)} failed, first {type(first).__name__}: {reason}", self._errors
            )
