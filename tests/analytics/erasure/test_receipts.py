"""Receipts: what they say, that they are valid, and that a changed one is not."""

import json
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from analytics.erasure import receipts, run
from consent.models import ErasureRequest
from consent.pseudonyms import KINDS
from tests.analytics.erasure.stories import (
    JANE,
    ask,
    erased,
    jane_has_rows,
)
from tests.support.failing import refusing

pytestmark = pytest.mark.django_db


def test_the_receipt_verifies_and_a_changed_one_does_not(tmp_path: Path, settings) -> None:
    jane_has_rows()
    settings.RECEIPTS_DIR = str(tmp_path)
    receipt = erased()
    file = tmp_path / f"{receipt['id']}.json"
    out = StringIO()
    call_command("verify_receipt", str(file), stdout=out)
    assert "6 rows of user" in out.getvalue()
    for change in ({"deleted": {}}, {"subject": "f" * 32}, {"remains": []}, {"note": "added"}):
        file.write_text(json.dumps(receipt | change))
        with pytest.raises(CommandError, match="was changed after it was signed"):
            call_command("verify_receipt", str(file))
    settings.ID_HASH_KEY = "another key"
    file.write_text(json.dumps(receipt))
    with pytest.raises(CommandError, match="another ID_HASH_KEY"):
        call_command("verify_receipt", str(file))


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"format": "candid-erasure-receipt/1"}'])
def test_what_is_no_receipt_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "receipt.json").write_text(content)
    with pytest.raises(CommandError):
        call_command("verify_receipt", str(tmp_path / "receipt.json"))


def test_the_receipts_key_makes_no_pseudonym() -> None:
    """Both are HMACs under `ID_HASH_KEY`: one begins with its kind and a zero byte, one with the purpose."""
    assert not any(receipts.PURPOSE.startswith(kind.encode() + b"\0") for kind in KINDS)


def test_a_receipt_says_what_was_asked_and_what_was_done(settings) -> None:
    settings.ON_WITHDRAWAL = "keep"
    jane_has_rows()
    receipt = erased()
    request = ErasureRequest.objects.get()
    assert (receipt["id"], receipt["method"], receipt["sessions"]) == (str(request.public_id), "api", 1)
    assert (receipt["withdrawal"], receipt["denied"]) == (False, False)
    moments = (request.asked_at, request.until, request.finished_at)
    names = ("asked_at", "erased_up_to", "finished_at")
    assert [datetime.fromisoformat(receipt[name]) for name in names] == list(moments)
    assert receipt["asked_at"].endswith("+00:00")
    assert receipts.verify(receipt) == receipt


def test_receipts_of_earlier_versions_stay_valid(settings) -> None:
    """The signature of these bytes under this key, as it was when the first receipts were issued."""
    settings.ID_HASH_KEY = "a key"
    receipt = receipts.signed({"subject": "a", "deleted": {"b": 2, "a": 1}})
    assert receipt["format"] == "candid-erasure-receipt/1"
    assert receipt["signature"] == {
        "algorithm": "HMAC-SHA256",
        "key": "34f235b3",
        "value": "5c8b4f5601bbab443f3c916e573825d6047352797023d5a3968553454dfea813",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "candid-erasure-receipt/2"}, "its format is not"),
        ({"signature": "0" * 64}, "is not signed"),
        ({"signature": {"key": "0" * 8}}, "is not signed"),
        ({"signature": {"key": "0" * 8, "value": ""}}, "another ID_HASH_KEY"),
    ],
)
def test_what_is_wrong_with_a_receipt_is_said(change: dict[str, object], said: str) -> None:
    with pytest.raises(receipts.InvalidReceipt, match=said):
        receipts.verify(receipts.signed({"subject": JANE}) | change)


def test_a_file_is_readable_for_its_owner_only_and_read_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "receipt.json"
    receipt = receipts.signed({"subject": JANE})
    receipts.write(receipt, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["receipt.json"]
    monkeypatch.setattr(receipts, "MAX_BYTES", file.stat().st_size)
    assert receipts.read(file) == receipt
    monkeypatch.setattr(receipts, "MAX_BYTES", file.stat().st_size - 1)
    with pytest.raises(receipts.InvalidReceipt, match="is larger than"):
        receipts.read(file)
    with pytest.raises(receipts.InvalidReceipt, match="cannot be read: No such file"):
        receipts.read(tmp_path / "none.json")


@pytest.mark.django_db(transaction=True)
def test_the_file_is_there_before_the_request_is_done(tmp_path: Path, settings) -> None:
    settings.RECEIPTS_DIR = str(tmp_path)
    request = ask()
    with refusing("consent_erasurerequest", "NEW.state = 'done'", database="default"):
        with pytest.raises(DatabaseError):
            run.carry_out()
    assert receipts.read(tmp_path / f"{request.public_id}.json")["subject"] == JANE


def test_what_is_signed_is_the_canonical_form_of_rfc_8785() -> None:
    """Members by UTF-16 code units (the surrogates of U+1F600 come before U+FB33), texts as UTF-8."""
    statement = {"\ufb33": 1, "\U0001f600": "å\n\u001f", "a": [True, {"c": 2, "b": None}]}
    assert receipts.canonical(statement) == (
        '{"a":[true,{"b":null,"c":2}],"\U0001f600":"å\\n\\u001f","\ufb33":1}'.encode()
    )


def test_a_member_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    """JSON readers differ in which of the two they show, so the bytes would say more than was signed."""
    receipt = receipts.signed({"subject": JANE, "deleted": {"a": 1}})
    text = json.dumps(receipt)
    file = tmp_path / "receipt.json"
    for twice in (
        text.replace('{"format"', '{"subject": "' + "f" * 32 + '", "format"', 1),
        text.replace('{"a": 1}', '{"a": 99, "a": 1}', 1),
    ):
        file.write_text(twice)
        with pytest.raises(receipts.InvalidReceipt, match="names a member twice"):
            receipts.read(file)


@pytest.mark.parametrize(
    ("of", "into"),
    [
        ('"a": 1', '"a": 1.0'),
        ('"a": 1', '"a": true'),
        ('"a": 1', '"a": NaN'),
        ('"value": ', '"note": "x", "value": '),
        ('"algorithm": "HMAC-SHA256"', '"algorithm": "none"'),
    ],
)
def test_every_byte_of_the_statement_counts(tmp_path: Path, of: str, into: str) -> None:
    file = tmp_path / "receipt.json"
    text = json.dumps(receipts.signed({"subject": JANE, "deleted": {"a": 1}}))
    assert of in text
    file.write_text(text.replace(of, into, 1))
    with pytest.raises(receipts.InvalidReceipt):
        receipts.read(file)
