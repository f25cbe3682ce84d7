"""What tests of erasure need: who asks for it, what is stored of them, and what is left."""

from datetime import UTC, datetime, timedelta

from analytics.erasure import run
from analytics.jobs import runs
from analytics.models import EndpointUsage, FeatureUsage, JobRun, UserActivity
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.models import ErasureRequest, Method, SubjectKind
from consent.pseudonyms import pseudonym
from tests.support.events import activity, endpoint, feature

USER, ORGANIZATION = SubjectKind.USER, SubjectKind.ORGANIZATION
JANE, ACME = pseudonym("user", "jane"), pseudonym("organization", "acme")
JIM = "f" * 32
SESSION, OTHER_SESSION = pseudonym("session", "s-1"), pseudonym("session", "s-2")
ANONYMOUS = f"anon:{SESSION[:27]}"
# Months that have partitions already: one that a test makes would stay for other tests.
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)


def ask(kind=USER, subject=JANE, **more):
    return ask_for_erasure(
        kind=kind, pseudonym=subject, actor="test", method=Method.API, reason="asked by letter", **more
    )


def carry_out() -> None:
    assert runs.run_job("erasure", run.carry_out).outcome == JobRun.Outcome.DONE


def erased(kind=USER, subject=JANE):
    """Ask for the erasure and carry it out; returns the receipt."""
    request = ask(kind, subject)
    carry_out()
    request.refresh_from_db()
    assert request.problem == ""
    assert request.state == ErasureRequest.Stage.DONE
    return request.receipt


def decide(state, kind=USER, subject=JANE):
    record_decision(kind=kind, subject=subject, state=state, actor="test", method=Method.API)


def rows() -> dict[str, list[str]]:
    """Whose rows are stored."""
    return {
        model.__name__: sorted(model.objects.values_list("user_id", flat=True))
        for model in (UserActivity, EndpointUsage, FeatureUsage)
    }


def jane_has_rows() -> None:
    activity(JANE, DAY, session=SESSION)
    activity(ANONYMOUS, DAY - timedelta(days=200), session=SESSION, event_type="session_start")
    feature(JANE, DAY)
    feature(JANE, DAY + timedelta(days=3))
    feature(ANONYMOUS, DAY)
    endpoint(JANE, DAY)
