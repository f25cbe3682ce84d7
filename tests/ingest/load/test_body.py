"""Bodies within their bounds: length, limit, deadline, members of gzip."""

import gzip
import io
import zlib
from typing import Any

import brotli
import pytest
from django.test import RequestFactory

from ingest.load import body
from ingest.load.body import BodyRefused, inflate


def refusal(function: Any, *arguments: Any, **named: Any) -> int:
    with pytest.raises(BodyRefused) as refused:
        function(*arguments, **named)
    return refused.value.status


@pytest.mark.parametrize(
    ("length", "number"), [("", None), ("0", 0), ("17", 17), ("0017", 17), ("9" * 30, int("9" * 20))]
)
def test_a_declared_length_is_read(length: str, number: int | None) -> None:
    assert body.declared_length(length) == number


@pytest.mark.parametrize("length", ["-1", "1.0", "1_0", "١٢", "+1", "x"])
def test_what_is_no_length_is_400(length: str) -> None:
    assert refusal(body.declared_length, length) == 400


def test_a_head_may_promise_as_much_as_the_limit() -> None:
    body.check("", "100", limit=100)
    assert refusal(body.check, "", "101", limit=100) == 413
    assert refusal(body.check, "zstd", "1", limit=100) == 415
    assert refusal(body.check, "zstd", "101", limit=100) == 415


def sent(raw: bytes, **headers: str) -> Any:
    request = RequestFactory().generic("POST", "/", raw, **headers)
    request.environ["wsgi.input"] = io.BytesIO(raw)
    request.environ["wsgi.input_terminated"] = True
    return request


def test_a_body_may_be_as_long_as_the_limit_also_when_no_length_is_declared() -> None:
    for headers in ({}, {"CONTENT_LENGTH": ""}):
        assert body.read_raw(sent(b"x" * 100, **headers), limit=100) == b"x" * 100
        assert refusal(body.read_raw, sent(b"x" * 101, **headers), limit=100) == 413


def test_a_body_shorter_than_it_was_declared_is_400() -> None:
    request = sent(b"x" * 99, CONTENT_LENGTH="100")
    assert refusal(body.read_raw, request, limit=1000) == 400


def test_a_body_without_bytes_is_not_waited_for() -> None:
    request = sent(b"", CONTENT_LENGTH="0")
    request.environ["wsgi.input"] = None
    assert body.read_raw(request, limit=1000) == b""


def test_a_body_that_takes_longer_than_the_deadline_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "DEADLINE", -1)
    assert refusal(body.read_raw, sent(b"x"), limit=1000) == 408


@pytest.mark.parametrize(("bits", "compress"), [(31, gzip.compress), (15, zlib.compress)])
def test_what_inflates_to_the_limit_is_taken_and_no_byte_more(bits: int, compress: Any) -> None:
    content = bytes(range(256)) * 1000
    taken: list[int] = []
    assert inflate(compress(content), bits, len(content), hold=taken.append) == content
    assert sum(taken) == len(content)
    assert refusal(inflate, compress(content + b"x"), bits, len(content)) == 413


def test_members_of_gzip_are_one_body_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_MEMBERS", 3)
    member = gzip.compress(b"x")
    assert inflate(member * 3, 31, 100) == b"xxx"
    assert refusal(inflate, member * 4, 31, 100) == 400
    assert inflate(member + b"\0" * 5 + member + b"\0", 31, 100) == b"xx"  # gzip allows padding
    assert refusal(inflate, member * 3, 31, 2) == 413  # together they are bounded


def test_deflate_is_taken_with_a_header_and_bare_but_has_one_member() -> None:
    bare = zlib.compress(b"x", wbits=-15)
    assert inflate(zlib.compress(b"x"), 15, 100) == inflate(bare, 15, 100) == b"x"
    assert inflate(zlib.compress(b"x") + b"junk", 15, 100) == b"x"


@pytest.mark.parametrize("bits", [31, 15])
def test_a_compressed_body_that_ends_early_is_400(bits: int) -> None:
    compressed = gzip.compress(b"x" * 100) if bits == 31 else zlib.compress(b"x" * 100)
    for length in range(len(compressed)):
        assert refusal(inflate, compressed[:length], bits, 1000) == 400


def test_brotli_is_inflated_within_the_limit_and_held_piece_by_piece() -> None:
    bomb, held = brotli.compress(bytes(50_000_000)), []
    assert len(bomb) < 100
    assert body.inflated(brotli.compress(b"x" * 300_000), "br", limit=300_000) == b"x" * 300_000
    assert refusal(body.inflated, bomb, "br", limit=1_000_000, hold=held.append) == 413
    assert max(held) < 200_000
    assert sum(held) <= 1_000_000


@pytest.mark.parametrize(
    "broken", [b"x", b"\xff" * 40, brotli.compress(b"x" * 99)[:-1], brotli.compress(b"x" * 99) + b"x"]
)
def test_what_is_no_brotli_is_400(broken: bytes) -> None:
    assert refusal(body.inflated, broken, "br", limit=1000) == 400
    assert refusal(body.inflated, broken + bytes(100_000), "br", limit=1000) == 400
