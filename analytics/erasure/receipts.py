"""The receipt of an erasure: what it says, its signature, and its file.

Signed with HMAC-SHA256 under a key derived from `ID_HASH_KEY` for this purpose alone: whoever runs
the instance can check it, and nobody without the key can make or change one. It names its subject
by pseudonym, so that a folder of receipts can carry the erasures out again after a restored backup.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

FORMAT = "candid-erasure-receipt/1"
# No kind of pseudonym is called so: the key is none that a pseudonym could be.
PURPOSE = b"derived key\x00erasure receipts"
MAX_BYTES = 1_000_000


class NotRight(Exception):
    """This receipt does not stand; the sentence says why."""


def signed(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement with its format and its signature: the receipt."""
    receipt = {"format": FORMAT, **statement}
    signature = {"algorithm": "HMAC-SHA256", "key": _key_name(), "value": _signature(receipt)}
    return receipt | {"signature": signature}


def verify(receipt: object) -> dict[str, Any]:
    """The receipt, when it is as it was signed here. Raises `NotRight`."""
    if not isinstance(receipt, dict) or receipt.get("format") != FORMAT:
        raise NotRight(f"this is no receipt of an erasure: its format is not {FORMAT}")
    signature = receipt.get("signature")
    if not isinstance(signature, dict) or not isinstance(signature.get("value"), str):
        raise NotRight("the receipt is not signed")
    if signature.get("key") != _key_name():
        raise NotRight("the receipt was signed under another ID_HASH_KEY than this instance's")
    statement = {name: value for name, value in receipt.items() if name != "signature"}
    if not hmac.compare_digest(signature["value"].encode(), _signature(statement).encode()):
        raise NotRight("the receipt was changed after it was signed")
    return receipt


def read(path: Path) -> dict[str, Any]:
    """The receipt in a file, verified. Raises `NotRight`, also when the file cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotRight(f"the file cannot be read: {error.strerror}") from error
    try:
        receipt = json.loads(content) if len(content) <= MAX_BYTES else None
    except (ValueError, RecursionError) as error:
        raise NotRight("the file holds no JSON") from error
    return verify(receipt)


def write(receipt: Mapping[str, Any], path: Path) -> None:
    """Write it whole or not at all."""
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
    canonical = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(_derived(b""), canonical.encode(), hashlib.sha256).hexdigest()


def _key_name() -> str:
    """Tells two keys apart, and nothing else about them."""
    return _derived(b"\x00name").hex()[:8]
