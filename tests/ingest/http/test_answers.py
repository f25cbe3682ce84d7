"""Headers of answers, and when they are compressed."""

import gzip

import pytest

from ingest.errors import Failure
from ingest.http import answers
from ingest.http.messages import ExportRequest, read_head
from ingest.load.rate_limits import RateLimited
from ingest.load.threads import Busy
from ingest.otlp.records import DecodeError, TooMany
from ingest.traffic import counting

PROTOBUF = "application/x-protobuf"


def request(**headers: str) -> ExportRequest:
    return read_head("POST", "traces", {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("accepted", "is_gzip"),
    [
        *(("gzip", True), ("GZIP", True), ("x-gzip", True), ("*", True), ("br, gzip;q=0.1", True)),
        *(("", False), ("br", False), ("gzip;q=0", False), ("gzip;q=0, *", False), ("*;q=0", False)),
        *(("gzip;q=many", False), ("identity, gzip; q=0.5", True), ("x-gzip;q=0, *;q=1", False)),
    ],
)
def test_gzip_is_sent_to_those_who_give_it_a_weight(accepted: str, is_gzip: bool) -> None:
    assert answers.accepts_gzip(accepted) is is_gzip


@pytest.mark.parametrize(("size", "is_long"), [(255, False), (256, True)])
def test_only_a_long_answer_is_compressed_and_varies(size: int, is_long: bool) -> None:
    answer = answers.accepted(request(accept_encoding="gzip"), PROTOBUF, b"x" * size)
    headers = dict(answer.headers)
    assert (headers.get("Content-Encoding"), headers.get("Vary")) == (
        ("gzip", "Accept-Encoding") if is_long else (None, None)
    )
    assert (gzip.decompress(answer.body) if is_long else answer.body) == b"x" * size
    plain = answers.accepted(request(), PROTOBUF, b"x" * size)
    assert ("Content-Encoding" in dict(plain.headers), plain.body) == (False, b"x" * size)


def test_every_answer_has_its_bare_type_and_is_not_sniffed() -> None:
    for answer in (
        answers.accepted(request(), PROTOBUF, b""),
        answers.refusal(request(content_type="application/x-protobuf; a=b"), Failure(400, "x")),
        answers.not_found(PROTOBUF),
    ):
        headers = dict(answer.headers)
        assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == (PROTOBUF, "nosniff")


@pytest.mark.parametrize(
    ("error", "status", "reason", "headers"),
    [
        (Busy(), 503, "busy", {"Retry-After"}),
        (RateLimited(10, 3), 429, "rate_limited", {"Retry-After"}),
        (TooMany("x"), 413, "too_large", set()),
        (DecodeError("x"), 400, "malformed", set()),
        (ValueError("x"), 500, "our_mistake", set()),
        (Failure(403, "x", reason="wrong_origin"), 403, "wrong_origin", set()),
    ],
)
def test_a_refusal_is_counted_once_under_its_reason(
    error: Exception, status: int, reason: str, headers: set[str]
) -> None:
    answer = answers.refusal(request(), error)
    assert answer.status == status
    assert {name for name, _ in answer.headers} - {"Content-Type", "X-Content-Type-Options"} == headers
    ((label, number),) = counting._waiting.counts.items()
    assert (label[1:], number) == ((None, "traces", "rejected", reason), 1)


@pytest.mark.parametrize(
    ("sent", "read"),
    [("1", "1"), (" TRUE ", "true"), ("", "")],
)
def test_a_head_is_read_whatever_its_case_and_spaces(sent: str, read: str) -> None:
    head = request(
        x_telemetry_dry_run=sent, content_encoding=" GZip ", content_length=" 5 ", origin="https://a"
    )
    assert (head.dry_run, head.coding, head.length, head.origin) == (read, "gzip", "5", "https://a")
    assert (head.credentials["origin"], head.do_not_track, head.is_admitted) == ("https://a", False, False)
