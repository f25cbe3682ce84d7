"""An endless supply of hostile requests: put together from fragments, or real bodies that were damaged."""

import gzip
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.fuzz import fragments
from tests.support.fuzz.fragments import NUMBER_BYTES, TIME_BYTES, Fragments

JSON, PROTOBUF = "application/json", "application/x-protobuf"
SIGNALS = ("traces", "logs")
TESTS = Path(__file__).resolve().parents[2]
CORPUS = (TESTS / "ingest" / "otlp" / "corpus", TESTS / "payloads")
MUTANTS = 0.2  # share of bodies that are damaged real ones
ODD_TYPES = (
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "text/plain",
    "application/protobuf",
    "",
    "x" * 200,
)
SPLICES = (
    b"\x00",
    b"\xff\xff",
    b"{}",
    b"[]",
    b'"',
    b"\\ud800",
    b"null",
    b"1e999",
    b"-0",
    b"\x08\x96\x01",
    b"\xef\xbb\xbf",
)


class Body(NamedTuple):
    """A request to send. `sound` is how many of its records can be stored; 0 if unknown."""

    path: str
    content_type: str
    coding: str
    raw: bytes
    sound: int


class Bodies:
    """An endless sequence of bodies, the same for the same seed, except for their times."""

    def __init__(self, seed: int) -> None:
        self._choose = random.Random(seed)
        self._fragments = {signal: fragments.make(signal, seed) for signal in SIGNALS}
        self._corpus = corpus()

    def __iter__(self) -> Iterator[Body]:
        while True:
            yield self.next()

    def next(self) -> Body:
        body = self._mutant() if self._choose.random() < MUTANTS else self._assembled()
        return self._wrapped(body)

    def _assembled(self) -> Body:
        choose = self._choose
        signal = choose.choice(SIGNALS)
        known = self._fragments[signal]
        is_json = choose.random() < 0.5
        sound = choose.choice([0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 8])
        odd = choose.choice([0, 0, 1, 2]) if sound else choose.choice([0, 1, 1, 3])
        raw = (_json if is_json else _protobuf)(choose, signal, known, sound, odd)
        return Body(f"/v1/{signal}", JSON if is_json else PROTOBUF, "", raw, sound)

    def _mutant(self) -> Body:
        choose = self._choose
        signal, content_type, raw = choose.choice(self._corpus)
        damaged = bytearray(raw)
        for _ in range(choose.choice([1, 1, 2, 4, 16])):
            self._damage(damaged)
        if choose.random() < 0.1:
            signal = choose.choice((*SIGNALS, "metrics"))
        if choose.random() < 0.05:
            content_type = JSON if content_type == PROTOBUF else PROTOBUF
        return Body(f"/v1/{signal}", content_type, "", bytes(damaged), 0)

    def _damage(self, raw: bytearray) -> None:
        choose = self._choose
        where, kind = choose.randrange(len(raw) + 1), choose.randrange(7)
        if kind == 0 and where < len(raw):
            raw[where] ^= 1 << choose.randrange(8)
        elif kind == 1 and where < len(raw):
            raw[where] = choose.randrange(256)
        elif kind == 2:
            del raw[where:]
        elif kind == 3:
            raw[where:where] = choose.choice(SPLICES)
        elif kind == 4:
            del raw[where : where + choose.randrange(1, 20)]
        elif kind == 5:
            raw[where:where] = raw[where : where + choose.randrange(1, 200)]
        else:
            other = choose.choice(self._corpus)[2]
            start = choose.randrange(len(other) + 1)
            raw[where : where + choose.randrange(40)] = other[start : start + choose.randrange(1, 300)]

    def _wrapped(self, body: Body) -> Body:
        """Compress the body now and then, correctly or not; use a strange content type now and then."""
        choose = self._choose
        kind = choose.random()
        if kind < 0.8:
            return body
        if kind < 0.88:
            return body._replace(coding="gzip", raw=gzip.compress(body.raw, 1))
        if kind < 0.92:
            return body._replace(coding="deflate", raw=zlib.compress(body.raw, 1))
        if kind < 0.96:
            packed = bytearray(gzip.compress(body.raw, 1))
            packed[choose.randrange(len(packed))] ^= 1 << choose.randrange(8)
            return body._replace(
                coding="gzip", raw=bytes(packed[: choose.randrange(len(packed) + 1) or None]), sound=0
            )
        if kind < 0.97:
            return body._replace(coding=choose.choice(["br", "zstd", "gzip, gzip", "x"]), sound=0)
        if kind < 0.98:
            return body._replace(coding="gzip", sound=0)
        return body._replace(content_type=choose.choice(ODD_TYPES), sound=0)


def _json(choose: random.Random, signal: str, known: Fragments, sound: int, odd: int) -> bytes:
    resources, scopes, items = (
        (b"resourceSpans", b"scopeSpans", b"spans")
        if signal == "traces"
        else (b"resourceLogs", b"scopeLogs", b"logRecords")
    )
    records = choose.choices(known.json_sound, k=sound) + choose.choices(known.json_odd, k=odd)
    choose.shuffle(records)
    if records and choose.random() < 0.1:
        records.append(records[0])
    now = time.time_ns()
    filled = [
        one.replace(b"{time}", b'"%d"' % (now - choose.randrange(10**14))).replace(
            b"{id}", b"%016x" % choose.getrandbits(64)
        )
        for one in records
    ]
    return b'{"%s":[{"resource":%s,"%s":[{"scope":{"name":"fuzz"},"%s":[%s]}]}]}' % (
        resources, b"{}" if sound else choose.choice(known.json_resources), scopes, items, b",".join(filled),
    )  # fmt: skip


def _protobuf(choose: random.Random, signal: str, known: Fragments, sound: int, odd: int) -> bytes:
    records = choose.choices(known.protobuf_sound, k=sound) + choose.choices(known.protobuf_odd, k=odd)
    choose.shuffle(records)
    now = time.time_ns()
    filled = [
        one.replace(TIME_BYTES, (now - choose.randrange(10**14)).to_bytes(8, "little")).replace(
            NUMBER_BYTES, choose.randbytes(8)
        )
        for one in records
    ]
    scope = b"".join(_field(2, record) for record in filled)
    resource = b"" if sound else _field(1, choose.choice(known.protobuf_resources))
    return _field(1, resource + _field(2, scope))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of the wire format."""
    size, head = len(content), bytearray([number << 3 | 2])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + content


def corpus() -> list[tuple[str, str, bytes]]:
    """Signal, content type and bytes of each body of the corpus; the file's name tells the first two."""
    found = []
    for directory in CORPUS:
        for file in sorted(directory.glob("*.*")):
            if file.suffix in (".json", ".bin"):
                is_json = file.suffix == ".json"
                named = file.name.partition("-")[0]
                signal = named if named in (*SIGNALS, "metrics") else "logs" if is_json else "traces"
                found.append((signal, JSON if is_json else PROTOBUF, file.read_bytes()))
    return found
