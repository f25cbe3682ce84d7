"""Events that name no user, but a known session or installation: its person's consent decides about them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from analytics.access.row_counts import count_rows
from analytics.access.subject_export import export_json
from analytics.erasure import run
from analytics.jobs import runs
from analytics.models import EndpointUsage, FeatureUsage, Installation, JobRun, SeenWith, UserActivity
from analytics.storage import pruning
from analytics.storage.rows import Row
from analytics.storage.store import Storing
from consent.decisions.recording import record_decision
from consent.decisions.tombstones import ask_for_erasure
from consent.models import ErasureRequest, Method, State, SubjectKind
from consent.pseudonyms import anonymous_user, pseudonym
from postgres.instants import microseconds
from tests.support import grpc_receiver
from tests.support.grpc_receiver import Receiver, export
from tests.support.otlp import a_key, encoded, grant, log, logs, post, span, traces
from tests.support.programs import until
from tests.support.second_connection import waiting
from tests.support.storing import store

pytestmark = pytest.mark.django_db(transaction=True)

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "activity": (UserActivity, {"event.category": "user_activity", "event.type": "click"}),
    "endpoint": (EndpointUsage, {"event.category": "endpoint_usage", "method": "GET", "route": "/a"}),
    "feature": (FeatureUsage, {"feature.name": "export"}),
}
SESSION, INSTALLATION = {"session.id": "s-1"}, {"install_id": "i-1"}
JANE, ACME = pseudonym("user", "jane"), pseudonym("organization", "acme")
Send = Callable[..., None]


@pytest.fixture(scope="module")
def receiver(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Receiver]:
    with (
        django_db_blocker.unblock(),
        grpc_receiver.receiver(tmp_path_factory.mktemp("grpc") / "log") as running,
    ):
        yield running


@pytest.fixture
def key() -> str:
    for user in ("jane", "jim"):
        grant(user=user)
    grant(organization="acme")
    return a_key()[0]


@pytest.fixture
def send(client: Client, key: str) -> Send:
    """Sends one event over HTTP, about now."""
    numbers = iter(range(1, 1000))

    def sent(kind: str = "feature", **more: Any) -> None:
        attributes = {"organization.id": "acme", **KINDS[kind][1], **more.pop("ids", SESSION)}
        if user := more.pop("user", ""):
            attributes["user.id"] = user
        body = traces(span(next(numbers), attributes=attributes, **({"at": timezone.now()} | more)))
        assert post(client, "/v1/traces", body, key).status_code == 200

    return sent


def deny(user: str = "jane") -> None:
    decide(State.DENIED, pseudonym("user", user))


def decide(state: State, user: str) -> None:
    record_decision(kind=SubjectKind.USER, subject=user, state=state, actor="test", method=Method.API)


def erased(user: str = JANE) -> dict[str, Any]:
    request = ask_for_erasure(kind=SubjectKind.USER, pseudonym=user, actor="test", method=Method.API)
    assert runs.run_job("erasure", run.carry_out).outcome == JobRun.Outcome.DONE
    request.refresh_from_db()
    assert request.state == ErasureRequest.Stage.DONE, request.problem
    receipt: dict[str, Any] = request.receipt
    return receipt


def rows() -> int:
    return sum(model.objects.count() for model, _ in KINDS.values())


@pytest.mark.parametrize("linked_by", KINDS)
@pytest.mark.parametrize("ids", [SESSION, INSTALLATION, SESSION | INSTALLATION])
def test_after_an_opt_out_no_event_of_the_session_is_stored_in_any_table(
    send: Send, linked_by: str, ids: dict[str, str]
) -> None:
    send(linked_by, user="jane", ids=ids)
    for kind in KINDS:
        send(kind, ids=ids)
    assert rows() == 4
    deny()
    for kind in KINDS:
        send(kind, ids=ids)
    assert rows() == 4
    send(ids={"session.id": "another"})
    assert rows() == 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_over_grpc(receiver: Receiver, key: str, kind: str) -> None:
    attributes = {"organization.id": "acme", **KINDS[kind][1], "session.id": f"grpc {kind}"}
    with receiver.channel() as channel:
        assert _exported(channel, key, 1, {**attributes, "user.id": "jane"}) == b""
        assert _exported(channel, key, 2, attributes) == b""
        deny()
        assert b"1 no_consent_user (" in _exported(channel, key, 3, attributes)
    assert rows() == 2


def test_over_grpc_a_key_of_one_organization_is_told_of_nobody(receiver: Receiver, key: str) -> None:
    deny("jim")
    customer, _ = a_key(organization="acme")
    of_acme = {"organization.id": "acme", **KINDS["feature"][1]}
    with receiver.channel() as channel:
        for number, (user, reason) in enumerate(
            [("jane", b""), ("jim", b"1 no_consent_user ("), ("unheard-of", b"1 no_consent_user (")]
        ):
            named = {**of_acme, "user.id": user}
            assert _exported(channel, customer, 2 * number + 1, named) == b""
            assert reason in _exported(channel, key, 2 * number + 2, named)
        assert b"1 names_nobody (" in _exported(channel, key, 9, KINDS["feature"][1])


def _exported(channel: grpc.Channel, key: str, number: int, attributes: dict[str, Any]) -> bytes:
    return export(channel, encoded(traces(span(number, at=timezone.now(), attributes=attributes))), key)


def test_also_within_one_request_and_in_log_records(client: Client, key: str) -> None:
    deny()
    event = {"organization.id": "acme", "feature.name": "export", **SESSION}
    body = logs(log(attributes=event), log(attributes=event | {"user.id": "jane"}))
    assert post(client, "/v1/logs", body, key).json()["partialSuccess"]["rejectedLogRecords"] == "2"


def test_of_several_people_the_most_restrictive_decides(send: Send) -> None:
    for user in ("jane", "jim"):
        send(user=user)
    send()
    deny("jim")
    send()
    send(user="jane")
    assert rows() == 4


def test_a_sessions_person_decides_and_not_everybody_on_its_installation(send: Send) -> None:
    send(user="jane", ids=SESSION | INSTALLATION)
    send(user="jim", ids=INSTALLATION)
    deny("jim")
    send(ids=SESSION | INSTALLATION)
    assert rows() == 3
    send(ids=INSTALLATION)
    assert rows() == 3


def test_an_erasure_takes_every_session_and_installation_and_they_stay_off(send: Send) -> None:
    send(ids=SESSION)  # before anybody knows whose it is
    send("endpoint", user="jane", ids=SESSION | INSTALLATION)
    send("feature", ids=INSTALLATION)
    send("feature", ids={"session.id": "s-2"} | INSTALLATION)  # jane's too: the installation is hers alone
    send("activity", ids={"session.id": "s-2"})
    send(user="jim", ids={"session.id": "s-3"})
    receipt = erased()
    assert (receipt["sessions"], receipt["remains"][-1]["where"]) == (3, "consent_tombstone.user")
    assert receipt["deleted"] == {
        "analytics_endpoint_usage": 1,
        "analytics_feature_usage": 3,
        "analytics_user_activity": 1,
        "analytics_seen_with": 3,
    }
    assert rows() == 1
    deny()
    send(ids=SESSION)
    send(ids=INSTALLATION)
    assert rows() == 1
    decide(State.GRANTED, JANE)
    send(ids=SESSION)
    assert rows() == 2


def test_an_event_after_a_new_grant_links_the_session_again(send: Send) -> None:
    """A process remembers which links it has stored; an erasure has taken this one."""
    send(user="jane")
    ask_for_erasure(kind=SubjectKind.USER, pseudonym=JANE, actor="test", method=Method.API)
    send(user="jane")
    recorded = SeenWith.objects.get().recorded_at
    assert runs.run_job("erasure", run.carry_out).outcome == JobRun.Outcome.DONE
    assert SeenWith.objects.get().recorded_at == recorded
    assert erased()["deleted"] == {"analytics_feature_usage": 1, "analytics_seen_with": 1}
    send(user="jane")
    assert SeenWith.objects.count() == 1


def test_an_erasure_leaves_what_may_be_somebody_elses_and_says_so(send: Send) -> None:
    for user in ("jane", "jim"):
        send(user=user)
    send()
    receipt = erased()
    assert {"where": "analytics_feature_usage.user_id", "rows": 1, "why": run_words()} in receipt["remains"]
    assert FeatureUsage.objects.count() == 2
    assert erased(pseudonym("user", "jim"))["deleted"]["analytics_feature_usage"] == 2
    assert rows() == 0


def run_words() -> str:
    return "name no user, and a session or an installation that others used too"


def test_base_telemetry_of_the_installation_stays_and_is_no_obstacle(
    send: Send, client: Client, key: str
) -> None:
    beat = log("base_telemetry.heartbeat", attributes=INSTALLATION)
    assert post(client, "/v1/logs", logs(beat), key).status_code == 200
    send(user="jane", ids=INSTALLATION)
    assert "analytics_installation.pseudonym" in {place["where"] for place in erased()["remains"]}
    assert Installation.objects.count() == 1


def test_an_export_and_the_own_page_hold_the_links_and_the_rows(send: Send) -> None:
    send("endpoint", user="jane", ids=INSTALLATION)
    send("feature", ids=INSTALLATION)
    text = "".join(export_json(SubjectKind.USER, JANE))
    assert text.count(anonymous_user(installation=pseudonym("installation", "i-1"))) == 2
    assert '"seen_with": [' in text
    assert [count.rows for count in count_rows(JANE) or ()] == [0, 1, 1]


def test_links_go_with_the_months_of_their_events(send: Send) -> None:
    now = datetime.now(UTC)
    send(user="jane")
    pruning._prune_small_tables(pruning.Pruned(pruning.Month.of(now), dry_run=False))
    assert SeenWith.objects.count() == 1
    pruning._prune_small_tables(pruning.Pruned(pruning.Month.of(now).plus(1), dry_run=False))
    assert SeenWith.objects.count() == 0


# --- Races ---------------------------------------------------------------------------------------
def a_row(number: int, *, user: str = "", session: str = "") -> Row:
    moment = microseconds(timezone.now())
    return Row(
        "feature", number.to_bytes(16), moment, user, user or anonymous_user(session=session), ACME, "cloud",
        False, {}, ("timer", "started"), False, session,
    )  # fmt: skip


def in_flight(row: Row, meanwhile: Callable[[], None]) -> int:
    """Admit a row, do something in the same thread, then write the row; how many rows were written."""
    storing = Storing([row])
    for attempt in storing.attempts():
        with attempt:
            admitted = attempt.admit()
            meanwhile()
            attempt.write(admitted)
    return storing.receipt.inserted


def in_thread(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()


def waits(withdrawal: "Future[None]", pool: ThreadPoolExecutor) -> bool:
    """Whether the withdrawal comes to wait for a lock. Asked by a thread without a transaction of its own."""

    def waits_or_is_done() -> bool:
        return withdrawal.done() or pool.submit(in_thread, lambda: waiting("analytics")).result() == 1

    until(waits_or_is_done, what="the withdrawal waits")
    return not withdrawal.done()


def test_a_withdrawal_waits_for_events_of_a_session_whose_link_they_could_not_see(key: str) -> None:
    """The link is committed after an event without a user was admitted, and before the withdrawal."""
    session = "f" * 32
    with ThreadPoolExecutor(2) as pool:

        def meanwhile() -> None:
            assert (
                pool.submit(in_thread, lambda: store([a_row(1, user=JANE, session=session)]))
                .result()
                .inserted
            )
            withdrawal = pool.submit(in_thread, deny)
            assert waits(withdrawal, pool)

        assert in_flight(a_row(2, session=session), meanwhile) == 1
    assert in_flight(a_row(3, session=session), lambda: None) == 0


@pytest.mark.parametrize("session", ["0000" + "e" * 28, "003f" + "e" * 28])
def test_a_withdrawal_waits_for_events_of_a_known_session_whichever_bucket_is_lower(
    key: str, session: str
) -> None:
    store([a_row(1, user=JANE, session=session)])
    SeenWith.objects.update(recorded_at=timezone.now() - timedelta(days=2))
    with ThreadPoolExecutor(2) as pool:

        def meanwhile() -> None:
            withdrawal = pool.submit(in_thread, deny)
            assert waits(withdrawal, pool)

        assert in_flight(a_row(2, session=session), meanwhile) == 1
    assert store([a_row(3, session=session)]).refused == {"no_consent_user": 1}


def test_a_link_is_stored_with_its_event_or_not_at_all(key: str) -> None:
    class Killed(BaseException):
        pass

    def killed() -> None:
        raise Killed

    with pytest.raises(Killed):
        in_flight(a_row(1, user=JANE, session="f" * 32), killed)
    assert SeenWith.objects.count() == 0
    store([a_row(1, user=JANE, session="f" * 32)])
    assert (SeenWith.objects.count(), FeatureUsage.objects.count()) == (1, 1)


def test_a_session_of_too_many_people_is_nobodys_to_allow(key: str) -> None:
    name, now = anonymous_user(session="f" * 32), timezone.now()
    month = now.year * 12 + now.month - 1
    for number in range(101):
        user = f"{number:032x}"
        decide_long_ago(user)
        SeenWith.objects.create(name=name, user_id=user, month=month, recorded_at=now)
    assert store([a_row(1, session="f" * 32)]).refused == {"no_consent_user": 1}
    SeenWith.objects.filter(user_id=f"{100:032x}").delete()
    assert store([a_row(1, session="f" * 32)]).inserted == 1


def decide_long_ago(user: str) -> None:
    since = timezone.now() - timedelta(days=30)
    record_decision(
        kind=SubjectKind.USER, subject=user, state=State.GRANTED, actor="test", method=Method.API,
        effective_at=since,
    )  # fmt: skip
