"""Finds the sessions and installations of a user who is to be erased, and gives each a tombstone of its own.

Only the user's own rows and links name them, so this runs before any of those is deleted. Events that name
one of them and no user are the user's, unless somebody else was seen with it, too: then they stay, and the
receipt counts them.
"""

from django.db import connections, transaction

from analytics.erasure.aliases import SEEN_WITH_OTHERS, SESSIONS_OF_USER, SHARED_SESSIONS
from analytics.partitions import EVENT_TABLES
from consent.decisions.tombstones import raise_tombstones
from consent.models import ErasureRequest, SubjectKind, Tombstone
from consent.pseudonyms import ANONYMOUS


def find_sessions(request: ErasureRequest) -> list[str]:
    """The `anon:` forms of sessions and installations that are this user's alone; none for an organization.

    Tombstones remember them, and those that are shared: a resumed run or a later erasure gets them all,
    although the rows that named them are gone.
    """
    if request.kind != SubjectKind.USER:
        return []
    remembered = Tombstone.objects.filter(kind=Tombstone.Kind.ANONYMOUS, user=request.pseudonym)
    if "sessions" not in request.progress:
        with connections["analytics"].cursor() as cursor:
            parameters = {"anonymous": ANONYMOUS, "subject": request.pseudonym}
            cursor.execute(f"{SESSIONS_OF_USER} UNION {SHARED_SESSIONS}", parameters)
            sessions = {name for (name,) in cursor.fetchall()}
        sessions |= set(remembered.values_list("subject", flat=True))
        with transaction.atomic(using="default"):
            raise_tombstones(Tombstone.Kind.ANONYMOUS, sessions, request.until, user=request.pseudonym)
            request.progress["sessions"] = len(sessions)
            request.save(update_fields=["progress"])
    names = set(remembered.values_list("subject", flat=True))
    return sorted(names - _with_others(request.pseudonym, names))


def rows_of_shared_sessions(request: ErasureRequest) -> list[tuple[str, int]]:
    """Rows, by table, that name no user and a session of this user's and others'. They stay."""
    remembered = Tombstone.objects.filter(kind=Tombstone.Kind.ANONYMOUS, user=request.pseudonym)
    shared = _with_others(request.pseudonym, set(remembered.values_list("subject", flat=True)))
    if not shared:
        return []
    counts = []
    with connections["analytics"].cursor() as cursor:
        for table in EVENT_TABLES:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE user_id = ANY(%s)", [sorted(shared)])
            counts.append((table, int(cursor.fetchone()[0])))
    return [(table, rows) for table, rows in counts if rows]


def _with_others(user: str, names: set[str]) -> set[str]:
    with connections["analytics"].cursor() as cursor:
        cursor.execute(SEEN_WITH_OTHERS, {"subject": user, "names": sorted(names)})
        return {name for (name,) in cursor.fetchall()}
