"""A person's receipts, offered on their own page: of their decisions, and of each erasure that is done."""

import re
import uuid
from typing import NamedTuple

from django.db.models import QuerySet
from django.http import HttpResponse, JsonResponse

from consent.decisions.consent_receipts import consent_receipt
from consent.models import Decision, ErasureRequest, SubjectKind

USER = SubjectKind.USER
CONSENT_FILE = "consent-receipt.json"
ERASURE_FILE = re.compile(r"erasure-([0-9a-f-]{36})\.json")
MOST = 20  # erasures


class ReceiptFile(NamedTuple):
    """What is offered: its address, and what it is about."""

    address: str
    about: str


def receipt_files(user: str, page: str) -> list[ReceiptFile]:
    """The receipts of a person (a pseudonym) below their page's address, the latest erasure first."""
    files, folder = [], page.rstrip("/")
    if Decision.objects.filter(subject_kind=USER, subject=user).exists():
        files.append(
            ReceiptFile(f"{folder}/{CONSENT_FILE}", "Your decisions: what, when, how, and under which policy")
        )
    for erasure in _finished(user)[:MOST]:
        about = f"Erasure of everything up to {erasure.until:%-d %B %Y, %H:%M} UTC, signed"
        files.append(ReceiptFile(f"{folder}/erasure-{erasure.public_id}.json", about))
    return files


def download(user: str, name: str) -> HttpResponse | None:
    """The file of this name; None if this person has none such."""
    if name == CONSENT_FILE:
        return _attachment(consent_receipt(USER, user), name)
    match = ERASURE_FILE.fullmatch(name)
    done = _finished(user).filter(public_id=match[1]).first() if match and _is_uuid(match[1]) else None
    return _attachment(done.receipt, name) if done else None


def _finished(user: str) -> QuerySet[ErasureRequest]:
    requests = ErasureRequest.objects.filter(kind=USER, pseudonym=user, state=ErasureRequest.Stage.DONE)
    return requests.order_by("-pk")


def _is_uuid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


def _attachment(receipt: object, name: str) -> HttpResponse:
    response = JsonResponse(receipt, json_dumps_params={"indent": 1}, safe=False)
    response["Content-Disposition"] = f'attachment; filename="candid-{name}"'
    return response
