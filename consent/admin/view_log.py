"""The account of who looked at whom: a row for each page of a single subject that was shown to somebody."""

from django.http import HttpRequest

from consent.models import SubjectKind, SubjectView


def note_view(request: HttpRequest, *, subject: str, page: str, kind: SubjectKind | str = "") -> None:
    """Remember that the one who is signed in was shown `page` of this subject (a pseudonym)."""
    SubjectView.objects.create(
        viewed_by=request.user.get_username(), subject_kind=kind, subject=subject, page=page
    )
