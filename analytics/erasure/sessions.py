"""Finds the sessions of a user who is to be erased, and gives each a tombstone of its own.

Only the user's own rows name them, so this runs before any of those is deleted.
"""

from django.db import connections, transaction

from analytics.erasure.aliases import SESSIONS_OF_USER
from consent.decisions.tombstones import raise_tombstones
from consent.models import ErasureRequest, SubjectKind, Tombstone
from consent.pseudonyms import ANONYMOUS


def find_sessions(request: ErasureRequest) -> list[str]:
    """The `anon:` forms of the user's sessions; none for an organization.

    Their tombstones remember them: a resumed run or a later erasure gets them all, although the rows that
    named them are gone.
    """
    if request.kind != SubjectKind.USER:
        return []
    remembered = Tombstone.objects.filter(kind=Tombstone.Kind.ANONYMOUS, user=request.pseudonym)
    if "sessions" not in request.progress:
        with connections["analytics"].cursor() as cursor:
            cursor.execute(SESSIONS_OF_USER, {"anonymous": ANONYMOUS, "subject": request.pseudonym})
            sessions = {name for (name,) in cursor.fetchall()}
        sessions |= set(remembered.values_list("subject", flat=True))
        with transaction.atomic(using="default"):
            raise_tombstones(Tombstone.Kind.ANONYMOUS, sessions, request.until, user=request.pseudonym)
            request.progress["sessions"] = len(sessions)
            request.save(update_fields=["progress"])
    return list(remembered.values_list("subject", flat=True))
