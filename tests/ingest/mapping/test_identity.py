"""Who and when: which id counts, what is not an id, the bounds of time, and row ids."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from consent.pseudonyms import pseudonym
from ingest.mapping.identity import FUTURE, Identities, RecordRefused, Subjects, sent_ids, uuid8
from ingest.otlp.records import Record, Resource
from tests.support.otlp import KEPT_FROM, NOW, internal, nanoseconds, record


def identities() -> Identities:
    return Identities(NOW, KEPT_FROM)


def subjects(own: dict[str, Any], of_resource: dict[str, Any] | None = None) -> Subjects:
    resource, of = of_resource or {}, identities()
    return of.subjects(own, sent_ids(own), of.of_resource(resource, sent_ids(resource)))


def refusal(own: dict[str, Any], of_resource: dict[str, Any] | None = None) -> str:
    with pytest.raises(RecordRefused) as refused:
        subjects(own, of_resource)
    return refused.value.reason


def test_every_kind_of_subject_has_a_pseudonym_of_its_own() -> None:
    who = subjects({"user.id": "x", "organization.id": "x", "session.id": "x", "install_id": "x"})
    assert msgspec.structs.astuple(who) == tuple(
        pseudonym(kind, "x") for kind in ("user", "organization", "session", "installation")
    )
    assert len(set(msgspec.structs.astuple(who))) == 4


@pytest.mark.parametrize(
    ("own", "of_resource", "raw"),
    [
        ({"user_id": "second", "user.id": "first"}, {}, "first"),
        ({"user.id": None, "user_id": "second"}, {}, "second"),
        ({"user.id": "null", "user_id": "second"}, {"user.id": "theirs"}, "second"),
        ({"user.id": "none"}, {"user.id": "theirs"}, "theirs"),
        ({"identity": "own"}, {"user.id": "theirs"}, "own"),
        ({"user.id": " spaced "}, {}, "spaced"),
        ({"user.id": 17.0}, {}, "17"),
        ({"user.id": "x" * 1024}, {}, "x" * 1024),
        ({"user.id": "own"}, {"user.id": ["odd"]}, "own"),  # what the resource has is not needed
    ],
)
def test_the_first_id_that_names_somebody_counts(
    own: dict[str, Any], of_resource: dict[str, Any], raw: str
) -> None:
    assert subjects(own, of_resource).user == pseudonym("user", raw)


@pytest.mark.parametrize(
    ("own", "of_resource", "reason"),
    [
        ({"user.id": True}, {}, "bad_id"),
        ({"user.id": ["x"], "user_id": "second"}, {}, "bad_id"),
        ({"user.id": "x" * 1025}, {}, "id_too_long"),
        ({}, {"user.id": ["odd"]}, "bad_id"),
        ({"user.id": ""}, {"user.id": "x" * 1025}, "id_too_long"),
        ({"user.id": "own"}, {"session.id": True}, "bad_id"),
    ],
)
def test_an_id_that_cannot_be_read_is_no_reason_to_store_the_event(
    own: dict[str, Any], of_resource: dict[str, Any], reason: str
) -> None:
    assert refusal(own, of_resource) == reason


@pytest.mark.parametrize(
    ("at", "off", "reason"),
    [
        (KEPT_FROM, 0, ""),
        (KEPT_FROM, -1, "too_old"),
        (NOW + FUTURE, 0, ""),
        (NOW + FUTURE, 1, "in_future"),
    ],
)
def test_times_are_kept_to_the_nanosecond_of_both_borders(at: Any, off: int, reason: str) -> None:
    event = msgspec.structs.replace(record("a.b"), time=nanoseconds(at) + off)
    if not reason:
        assert identities().nanoseconds(event) == event.time
        return
    with pytest.raises(RecordRefused) as refused:
        identities().nanoseconds(event)
    assert refused.value.reason == reason


def test_a_log_may_have_been_observed_only_but_a_span_has_begun() -> None:
    for event in (record("a.b"), internal()):
        sent = msgspec.structs.replace(event, time=0, observed=nanoseconds(NOW))
        if not event.is_span:
            assert identities().nanoseconds(sent) == nanoseconds(NOW)
            continue
        with pytest.raises(RecordRefused) as refused:
            identities().nanoseconds(sent)
        assert refused.value.reason == "no_timestamp"


def ids(*events: Record) -> list[bytes]:
    of = identities()
    return [of.row_id(event, nanoseconds(NOW)) for event in events]


def test_a_span_is_one_by_its_two_ids_whatever_else_it_says() -> None:
    one = internal(trace_id="a" * 32, span_id="b" * 16)
    assert len(set(ids(one, internal("other", trace_id="a" * 32, span_id="b" * 16)))) == 1
    assert len(set(ids(one, internal(trace_id="c" * 32, span_id="b" * 16)))) == 2
    assert len(set(ids(one, internal(trace_id="a" * 32, span_id="c" * 16)))) == 2
    assert len(set(ids(one, record("work", trace_id="a" * 32, span_id="b" * 16)))) == 2


@pytest.mark.parametrize(("trace_id", "span_id"), [("", "b" * 16), ("a" * 32, ""), ("", "")])
def test_spans_that_lack_an_id_are_told_apart_by_what_they_say(trace_id: str, span_id: str) -> None:
    sent = [internal(name, trace_id=trace_id, span_id=span_id) for name in ("a", "b", "a")]
    first, second, third = ids(*sent)
    assert len({first, second, third}) == 3  # equal ones are numbered
    assert ids(*sent) == [first, second, third]  # sent again they are the same
    assert ids(sent[1], sent[0]) == [second, first]


def test_a_log_is_one_by_its_uid_else_by_its_content_and_resource() -> None:
    one, same = (record("a.b", attributes={"log.record.uid": "1", "x": x}) for x in (1, 2))
    assert len(set(ids(one, same))) == 1
    of_a, of_b = (
        msgspec.structs.replace(record("a.b"), resource=Resource({"service.name": name})) for name in "ab"
    )
    assert len(set(ids(of_a, of_b, of_a))) == 3
    span = internal(trace_id="", attributes={"log.record.uid": "1"})
    assert ids(span) != ids(internal(trace_id="", attributes={"log.record.uid": "1", "x": 2}))


def test_a_row_id_is_a_uuid_of_version_8_that_begins_with_the_time() -> None:
    at = nanoseconds(NOW)
    (row_id,) = ids(record("a.b"))
    assert int.from_bytes(row_id[:6]) == at // 1_000_000
    assert (row_id[6] >> 4, row_id[8] >> 6) == (8, 0b10)
    later = identities().row_id(record("a.b"), at + 1_000_000)
    assert later[:6] != row_id[:6]
    assert uuid8(1, b"\xff" * 10).hex() == "000000000001" + "8fff" + "bfffffffffffffff"


def test_an_event_a_moment_ago_may_be_dated_by_a_clock_that_is_ahead() -> None:
    assert timedelta(hours=24) == FUTURE
