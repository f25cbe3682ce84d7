"""The receipt of an erasure: its content, its signature, and its file.

Signed with HMAC-SHA256 under a key derived from `ID_HASH_KEY` for this purpose alone: whoever runs
the instance can check it, and nobody without the key can make or change one. It names its subject
by pseudonym, so that a folder of receipts can repeat the erasures after a backup was restored.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from analytics.erasure.leftovers import SearchResult
from consent.decisions.status import state_now
from consent.models import ErasureRequest, State, SubjectKind

FORMAT = "candid-erasure-receipt/1"
ALGORITHM = "HMAC-SHA256"
# No kind of pseudonym has this name, so no pseudonym can be equal to the key.
PURPOSE = b"derived key\x00erasure receipts"
MAX_BYTES = 1_000_000
EXACT = 2**53  # every reader of JSON reads smaller whole numbers alike


class InvalidReceipt(Exception):
    """The receipt is not valid; the message says why."""


def issue(
    request: ErasureRequest,
    *,
    finished_at: datetime,
    deleted: Mapping[str, int],
    remains: list[dict[str, Any]],
    result: SearchResult,
) -> dict[str, Any]:
    """The signed receipt of a request whose subject is erased, also as a file in `RECEIPTS_DIR`.

    Call it before the request is saved as done, so that a killed run writes the file again.
    """
    state, _ = state_now(SubjectKind(request.kind), request.pseudonym)
    receipt = signed(
        {
            "id": str(request.public_id),
            "kind": request.kind,
            "subject": request.pseudonym,
            "withdrawal": request.is_withdrawal,
            "denied": state == State.DENIED,
            "state": state.value,
            "asked_at": request.asked_at.astimezone(UTC).isoformat(),
            "method": request.method,
            "erased_up_to": request.until.astimezone(UTC).isoformat(),
            "finished_at": finished_at.astimezone(UTC).isoformat(),
            "deleted": dict(sorted(deleted.items())),
            "sessions": request.progress.get("sessions", 0),
            "searched": {
                "tables": result.tables,
                "columns": result.columns,
                "redis_keys": result.redis_keys,
            },
            "remains": remains,
        }
    )
    if settings.RECEIPTS_DIR:
        write(receipt, Path(settings.RECEIPTS_DIR) / f"{request.public_id}.json")
    return receipt


def signed(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement with its format and its signature: the receipt."""
    receipt = {"format": FORMAT, **statement}
    signature = {"algorithm": ALGORITHM, "key": _key_name(), "value": _signature(receipt)}
    return receipt | {"signature": signature}


def verify(receipt: object) -> dict[str, Any]:
    """The receipt, if it was signed here and has not changed since. Raises `InvalidReceipt`."""
    if not isinstance(receipt, dict) or receipt.get("format") != FORMAT:
        raise InvalidReceipt(f"this is not the receipt of an erasure: its format is not {FORMAT}")
    signature = receipt.get("signature")
    if not isinstance(signature, dict) or not isinstance(signature.get("value"), str):
        raise InvalidReceipt("the receipt is not signed")
    if signature.get("key") != _key_name():
        raise InvalidReceipt("the receipt was signed under another ID_HASH_KEY than this instance's")
    statement = {name: value for name, value in receipt.items() if name != "signature"}
    is_ours = signature == {"algorithm": ALGORITHM, "key": _key_name(), "value": signature["value"]}
    if not (is_ours and hmac.compare_digest(signature["value"].encode(), _signature(statement).encode())):
        raise InvalidReceipt("the receipt was changed after it was signed")
    return receipt


def read(path: Path) -> dict[str, Any]:
    """The receipt in a file, verified. Raises `InvalidReceipt`, also when the file cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidReceipt(f"the file cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise InvalidReceipt(f"the file is larger than {MAX_BYTES} bytes")
    try:
        receipt = json.loads(
            content, object_pairs_hook=_members, parse_float=_no_number, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise InvalidReceipt("the file is not JSON") from error
    return verify(receipt)


def write(receipt: Mapping[str, Any], path: Path) -> None:
    """Write it whole or not at all, readable by its owner only."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(receipt, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _derived(purpose: bytes) -> bytes:
    return hmac.digest(settings.ID_HASH_KEY.encode(), PURPOSE + purpose, "sha256")


def _signature(statement: Mapping[str, Any]) -> str:
    return hmac.new(_derived(b""), canonical(statement), hashlib.sha256).hexdigest()


def canonical(statement: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: RFC 8785, of texts, whole numbers, truth values, lists and objects.

    Raises `InvalidReceipt` for what has no such form here: fractions, large numbers, lone surrogates.
    """
    try:
        return json.dumps(_ordered(statement), separators=(",", ":"), ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise InvalidReceipt("the receipt holds a text that cannot be written") from error


def _ordered(value: Any) -> Any:
    """The value with the members of every object in RFC 8785's order: by UTF-16 code units."""
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _ordered(value[name]) for name in names}
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) >= EXACT):
        raise InvalidReceipt("the receipt holds a number that is not whole, or too large")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. One that occurs twice could be read in two ways, of which one was signed."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidReceipt("the file names a member twice")
    return members


def _no_number(text: str) -> Any:
    raise InvalidReceipt("the receipt holds a number that is not whole, or too large")


def _key_name() -> str:
    """Tells keys apart without saying anything else about them."""
    return _derived(b"\x00name").hex()[:8]
