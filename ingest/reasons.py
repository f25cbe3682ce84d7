"""Every reason for which a record or a request is refused: its words, and a request's status.

Counts, metrics and clients' scripts hold the names, so they stay as they are. A reason used
anywhere in ingest or in the store must be in this table (`tests/ingest/test_reasons.py`).
"""

from collections import Counter
from typing import NamedTuple


class Reason(NamedTuple):
    """Why something was refused. A reason with a status is about a whole request."""

    page: str  # the words on the Pipeline page
    answer: str = ""  # for a record: what the sender reads in `partial_success`
    status: int = 0  # for a request: HTTP's number; gRPC's code follows from it


REASONS = {
    # --- Records -------------------------------------------------------------------------------
    # Whose consent is missing when the event happened, or has been withdrawn since. All begin alike.
    "no_consent": Reason("no consent", "neither the organization nor the user it names has agreed"),
    "no_consent_organization": Reason(
        "no consent of the organization", "the organization it names has not agreed, or not yet at its time"
    ),
    "no_consent_user": Reason(
        "no consent of the user",
        "the user it names, or whose session it is, has not agreed, or not yet at its time",
    ),
    "no_consent_stale": Reason(
        "consent from before the policy changed",
        "the consent of the organization or the user is from before the policy changed: ask them again",
    ),
    "names_nobody": Reason(
        "names neither user nor organization", "it names neither a user nor an organization, so nobody agreed"
    ),
    "telemetry_off": Reason("detailed events are off", "detailed events are switched off here"),
    "do_not_track": Reason("do-not-track signal", "it asks not to be tracked"),
    "base_telemetry_off": Reason("base telemetry is off", "base telemetry is switched off here"),
    "not_an_event": Reason(
        "a span without an event", "a span that describes no event, but a step of something"
    ),
    "unroutable": Reason("not a known event", "no rule says which table it belongs to"),
    "incomplete": Reason("no event type or feature name", "it lacks its event type or feature name"),
    "no_timestamp": Reason("no time", "it has no time"),
    "too_old": Reason("older than events are kept", "it is older than events are kept"),
    "in_future": Reason("clock more than 24 h ahead", "it is dated more than 24 hours ahead"),
    "id_too_long": Reason("id too long", "an id is longer than 1024 characters"),
    "bad_id": Reason("id neither text nor number", "an id is neither text nor a number"),
    "other_organization": Reason("key of another organization", "this key belongs to another organization"),
    "personal_data": Reason("personal or secret name", "its name looks personal or secret"),
    "free_text": Reason("free text in place of a name", "its name reads like a sentence, not like a name"),
    "no_installation": Reason("no installation named", "it names no installation"),
    "unstorable": Reason("not storable", "the database cannot hold it"),
    "metrics_not_kept": Reason("metrics are not kept", "metrics are not kept"),
    # --- Both ----------------------------------------------------------------------------------
    "malformed": Reason("malformed", "a field has a wrong type or value", status=400),
    # --- Requests; where several share a status, the first is the usual one --------------------------
    "no_key": Reason("no key, or an unknown one", status=401),
    "wrong_scope": Reason("key without the scope “ingest”", status=403),
    "key_in_address": Reason("secret key in an address, which proxies may log", status=403),
    "wrong_origin": Reason("publishable key on another website", status=403),
    "wrong_method": Reason("not a POST", status=405),
    "too_slow": Reason("body arrived too slowly", status=408),
    "too_large": Reason("body too large", status=413),
    "wrong_type": Reason("unknown content type", status=415),
    "rate_limited": Reason("more requests than the key may send", status=429),
    "our_mistake": Reason("our mistake", status=500),
    "unavailable": Reason("database unavailable; to be sent again", status=503),
    "busy": Reason("too much at once; to be sent again", status=503),
}
STATUS = {name: reason.status for name, reason in REASONS.items() if reason.status}
# Only consent decides whether a record is refused for these: what cannot be stored was admitted before.
# Keys that are not told of consent (`Key.is_told_of_consent`) are not told of them.
TELLING = (
    *("no_consent", "no_consent_organization", "no_consent_user", "no_consent_stale"),
    "unstorable",
)
# Not refused: automatic instrumentation sends such records by the dozen, and nobody means them to be stored.
SKIPPED = frozenset({"not_an_event"})
LIMITS = ("rate_limited", "busy")  # counted by `candid_rate_limited_total`


def usual(status: int) -> str:
    """The reason to count for a request refused with this status, unless another is named."""
    return next(name for name, number in STATUS.items() if number == status)


def page_words(reason: str) -> str:
    """The Pipeline page's words for a reason, also for one that an older version counted."""
    return REASONS[reason].page if reason in REASONS else reason.replace("_", " ")


def told(refused: Counter[str], *, of_consent: bool) -> Counter[str]:
    """The refusals that an answer may name, by reason."""
    return refused if of_consent else Counter({why: refused[why] for why in refused if why not in TELLING})


def parted(reasons: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """The records that were refused, and those that were skipped, by reason."""
    skipped = Counter({why: number for why, number in reasons.items() if why in SKIPPED})
    return reasons - skipped, skipped


def answer_words(reason: str) -> str:
    """What the sender of a refused record is told."""
    return REASONS[reason].answer or REASONS[reason].page
