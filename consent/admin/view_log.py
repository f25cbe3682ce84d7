"""The record of who looked at whom: a row for each view of a page about a single subject."""

from django.http import HttpRequest

from consent.models import SubjectKind, SubjectView


def note_view(request: HttpRequest, *, subject: str, page: str, kind: SubjectKind | str = "") -> None:
    """Record that the signed-in person was shown `page` of this subject (a pseudonym)."""
    SubjectView.objects.create(
        viewed_by=request.user.get_username(), subject_kind=kind, subject=subject, page=page
    )
