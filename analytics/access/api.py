"""`/api/privacy/*`: the right of access and the right to erasure, for an app that acts for its users.

A request must name its subject; no key supplies one, since an empty body must not erase an organization.
A key bound to an organization may name only that one, and no users.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.access.subject_export import export_json
from consent.api.base import KeyedView, body_of
from consent.api.errors import ERROR, ApiError
from consent.api.openapi import AUTH, ERRORS, ORGANIZATION_HEADER, USER_HEADER
from consent.decisions.tombstones import ask_for_erasure
from consent.models import ErasureRequest, Method, SubjectKind

ONE_SUBJECT = "Name exactly one subject, a user or an organization, in a header or in the body."


class NamedSubject(serializers.Serializer[Any]):
    user_id = serializers.CharField(required=False, help_text="In place of the header X-User-Id.")
    organization_id = serializers.CharField(required=False, help_text="In place of X-Organization-Id.")


class ErasureAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(["user", "organization"])
    state = serializers.ChoiceField(["waiting", "running", "done"])
    erased_up_to = serializers.DateTimeField(help_text="Covers events dated or received up to then.")
    asked_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    receipt = serializers.DictField(
        allow_null=True, help_text="Signed: counts by table, what remains and why. Null until it is done."
    )


class PrivacyView(KeyedView):
    most, seconds = 60, 60  # for each key and view: they read whole tables


class ExportView(PrivacyView):
    @extend_schema(
        operation_id="privacy_export",
        summary="Everything stored about a subject",
        description=f"{ONE_SUBJECT} The answer has the rows of every table, decisions, times with and "
        "without consent, and erasures. For an unknown subject it has no rows. It is streamed.",
        tags=["privacy"],
        auth=AUTH,
        request=NamedSubject,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={200: OpenApiResponse({"type": "object"}, "one list of rows for each table")} | ERRORS,
    )
    def post(self, request: Request) -> StreamingHttpResponse:
        pieces = _begun(export_json(*self.one_subject(request, body_of(request))))
        response = StreamingHttpResponse(pieces, content_type="application/json")
        response["Content-Disposition"] = 'attachment; filename="candid-export.json"'
        return response


class ErasureView(PrivacyView):
    @extend_schema(
        operation_id="privacy_erasure",
        summary="Erase everything stored about a subject",
        description=f"{ONE_SUBJECT} Answers 202 at once. From then on events dated up to now are refused; "
        "rows are deleted within minutes, and a receipt follows. Consent for later events does not change. "
        "Asking again before the erasure has begun returns the same erasure.",
        tags=["privacy"],
        auth=AUTH,
        request=NamedSubject,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={202: ErasureAnswer} | ERRORS,
    )
    def post(self, request: Request) -> Response:
        kind, subject = self.one_subject(request, body_of(request))
        erasure = ask_for_erasure(kind=kind, pseudonym=subject, actor=self.key.name, method=Method.API)
        location = reverse("privacy-erasure-receipt", args=[erasure.public_id])
        return Response(_answer(erasure), status=202, headers={"Location": location})


class ErasureReceiptView(PrivacyView):
    @extend_schema(
        operation_id="privacy_erasure_receipt",
        summary="How far an erasure is, and its receipt",
        tags=["privacy"],
        auth=AUTH,
        parameters=[OpenApiParameter("erasure", uuid.UUID, OpenApiParameter.PATH)],
        responses={200: ErasureAnswer, 404: OpenApiResponse(ERROR, "no such erasure that this key may see")}
        | ERRORS,
    )
    def get(self, request: Request, erasure: str) -> Response:
        request_row = _find_erasure(erasure, self.key.organization)
        if request_row is None:
            raise ApiError(404, "not_found", "there is no such erasure that this key may see")
        return Response(_answer(request_row))


def _find_erasure(public_id: str, organization: str) -> ErasureRequest | None:
    """The erasure with this id; a key bound to an organization sees only that one's."""
    try:
        identifier = uuid.UUID(public_id)
    except ValueError:
        return None
    visible = ErasureRequest.objects.filter(public_id=identifier)
    if organization:
        visible = visible.filter(kind=SubjectKind.ORGANIZATION, pseudonym=organization)
    return visible.first()


def _answer(erasure: ErasureRequest) -> dict[str, Any]:
    return {
        "id": erasure.public_id,
        "kind": erasure.kind,
        "state": erasure.state,
        "erased_up_to": erasure.until,
        "asked_at": erasure.asked_at,
        "finished_at": erasure.finished_at,
        "receipt": erasure.receipt,
    }


def _begun(pieces: Iterator[str]) -> Iterator[str]:
    """The same pieces, the first one made now: an unreachable database gives a 503, not half a body."""
    first = next(pieces)

    def all_pieces() -> Iterator[str]:
        yield first
        yield from pieces

    return all_pieces()
