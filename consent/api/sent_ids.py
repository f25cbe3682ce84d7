"""The ids that a request sends, in headers or in its body, and the pseudonyms they stand for."""

from typing import Any

from rest_framework.request import Request

from consent.api.errors import ApiError
from consent.models import SubjectKind
from consent.pseudonyms import MAX_ID, NO_ID, pseudonym
from consent.registry.cleaning import as_text

ID_HEADERS = {SubjectKind.USER: "X-User-Id", SubjectKind.ORGANIZATION: "X-Organization-Id"}
ID_FIELDS = {SubjectKind.USER: "user_id", SubjectKind.ORGANIZATION: "organization_id"}


def sent_pseudonyms(request: Request, kind: SubjectKind, body: dict[str, Any] | None) -> set[str]:
    """The pseudonyms of all ids of this kind: none, one, or two that disagree. Raises `ApiError`."""
    return {_pseudonym(kind, sent) for sent in _sent_ids(request, kind, body)} - {""}


def is_named(request: Request, kind: SubjectKind, body: dict[str, Any] | None) -> bool:
    """Whether the request names a subject of this kind."""
    return any(_pseudonym(kind, sent) for sent in _sent_ids(request, kind, body))


def _sent_ids(request: Request, kind: SubjectKind, body: dict[str, Any] | None) -> list[Any]:
    """The ids in header and body. Two headers of the same name reach us as one, joined by a comma."""
    header = request.headers.get(ID_HEADERS[kind], "")
    if not header.isascii() or "," in header:
        field = ID_FIELDS[kind]
        message = (
            f"{ID_HEADERS[kind]} takes one ASCII id without a comma; send other ids in the body, as “{field}”"
        )
        raise ApiError(400, "bad_id", message, field)
    return [header, (body or {}).get(ID_FIELDS[kind])]


def _pseudonym(kind: SubjectKind, sent: Any) -> str:
    """Ids are read as in events: numbers are written out. '' for what apps send in place of no id."""
    text = "" if sent is None else as_text(sent)
    if text is None or len(text) > MAX_ID:
        field = ID_FIELDS[kind]
        message = f"“{field}” must be a text or a number of at most {MAX_ID} characters"
        raise ApiError(400, "bad_id", message, field)
    text = text.strip()
    return "" if text.lower() in NO_ID else pseudonym(kind, text)
