"""`/api/privacy/*`: the right of access and the right to erasure, for an app that speaks for its people.

A request names whom it is about, and nobody is supplied: an empty body must not erase an organization.
A key bound to an organization may name that one only, and no users.
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

TELLING = "Which of the two is named decides; exactly one must be, in a header or in the body."


class NamedSubject(serializers.Serializer[Any]):
    user_id = serializers.CharField(required=False, help_text="In place of the header X-User-Id.")
    organization_id = serializers.CharField(required=False, help_text="In place of X-Organization-Id.")


class ErasureAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(["user", "organization"])
    state = serializers.ChoiceField(["waiting", "running", "done"])
    erased_up_to = serializers.DateTimeField(help_text="Events dated or received up to then.")
    asked_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    receipt = serializers.DictField(
        allow_null=True, help_text="Counts by table, what remains and why, signed; once it is done."
    )


class PrivacyView(KeyedView):
    most, seconds = 60, 60  # of each kind: they read whole tables


class Export(PrivacyView):
    @extend_schema(
        operation_id="privacy_export",
        summary="All that is held on a subject",
        description=f"{TELLING} Rows of every table, decisions, times with and without consent, erasures. "
        "Somebody nobody has heard of gets an export without rows. The answer comes in pieces.",
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


class Erasure(PrivacyView):
    @extend_schema(
        operation_id="privacy_erasure",
        summary="Erase all that is held on a subject",
        description=f"{TELLING} Answered at once with 202; events dated up to now are refused from then on, "
        "rows go within minutes, and a receipt follows. Consent for later events stays as it is. Asked "
        "again before it has begun, it is the same erasure.",
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
        return Response(_told(erasure), status=202, headers={"Location": location})


class ErasureReceipt(PrivacyView):
    @extend_schema(
        operation_id="privacy_erasure_receipt",
        summary="How far an erasure is, and its receipt",
        tags=["privacy"],
        auth=AUTH,
        parameters=[OpenApiParameter("erasure", uuid.UUID, OpenApiParameter.PATH)],
        responses={200: ErasureAnswer, 404: OpenApiResponse(ERROR, "none that this key may see")} | ERRORS,
    )
    def get(self, request: Request, erasure: str) -> Response:
        found = _erasure(erasure, self.key.organization)
        if found is None:
            raise ApiError(404, "not_found", "there is no such erasure that this key may see")
        return Response(_told(found))


def _erasure(public_id: str, organization: str) -> ErasureRequest | None:
    """The erasure with this id; of its own organization only, where the key is bound to one."""
    try:
        wanted = uuid.UUID(public_id)
    except ValueError:
        return None
    seen = ErasureRequest.objects.filter(public_id=wanted)
    if organization:
        seen = seen.filter(kind=SubjectKind.ORGANIZATION, pseudonym=organization)
    return seen.first()


def _told(erasure: ErasureRequest) -> dict[str, Any]:
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
    """The same pieces, the first one made now: a database that is away is an answer, not half of one."""
    first = next(pieces)

    def all_of_them() -> Iterator[str]:
        yield first
        yield from pieces

    return all_of_them()
