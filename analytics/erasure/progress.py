"""What an erasure has done so far, kept in its request's row, so that a run killed anywhere can be resumed.

Rows are counted, and the count saved, before they are deleted: whoever resumes deletes the rest, and
does not count it again.
"""

from collections.abc import Callable

from consent.models import ErasureRequest

Note = Callable[[str, int, int], object]  # what is being done, how much of it is done, out of how much


def deleted_rows(request: ErasureRequest) -> dict[str, int]:
    """The counts by table, to be changed in place and saved with `progress`."""
    counts: dict[str, int] = request.progress.setdefault("deleted", {})
    return counts


def count_then_delete(
    request: ErasureRequest, table: str, count: Callable[[], int], delete: Callable[[], object]
) -> None:
    """Save how many rows there are, unless a killed run has done so; then delete them."""
    if table not in deleted_rows(request):
        deleted_rows(request)[table] = count()
        request.save(update_fields=["progress"])
    delete()
