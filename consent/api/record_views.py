"""`/api/consent/receipt` and `/api/consent/link`: a consent receipt, and a link to a person's own page."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from consent.api import links
from consent.api.base import KeyedView, body_of
from consent.api.errors import ApiError
from consent.api.openapi import AUTH, ERRORS, ORGANIZATION_HEADER, USER_HEADER
from consent.decisions.consent_receipts import consent_receipt
from consent.models import SubjectKind


class ConsentReceipt(KeyedView):
    @extend_schema(
        operation_id="consent_receipt",
        summary="What is on record about a subject's consent",
        description="Shaped after ISO/IEC TS 27560. Name exactly one user or organization. An unknown "
        "subject gets a receipt without events.",
        tags=["consent"],
        auth=AUTH,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={200: OpenApiResponse({"type": "object"}, "the receipt")} | ERRORS,
    )
    def get(self, request: Request) -> Response:
        return Response(consent_receipt(*self.one_subject(request, body_of(request))))


class LinkRequest(serializers.Serializer[Any]):
    user_id = serializers.CharField(required=False, help_text="In place of the header X-User-Id.")
    valid = serializers.CharField(
        required=False, default="7d", help_text="A number of m, h or d; at most 30d."
    )


class LinkAnswer(serializers.Serializer[Any]):
    link = serializers.CharField(help_text="For this person alone: it needs no account.")
    expires_at = serializers.DateTimeField()


class ConsentLink(KeyedView):
    @extend_schema(
        operation_id="consent_link",
        summary="A link to a person's own page",
        description="Whoever has the link can see what is held about this person, and opt them out or in: "
        "give it to nobody else. A link is made for any id, so it does not tell whether the user is known.",
        tags=["consent"],
        auth=AUTH,
        request=LinkRequest,
        parameters=[USER_HEADER],
        responses={200: LinkAnswer} | ERRORS,
    )
    def post(self, request: Request) -> Response:
        body = body_of(request)
        user = self.subject(request, SubjectKind.USER, body)
        try:
            valid = links.duration(str(body.get("valid", "7d")))
        except ValueError as error:
            raise ApiError(400, "bad_parameter", f"“valid”: {error}", "valid") from error
        path, until = links.make_link(user, valid=valid, key=self.key.pk)
        return Response(
            {"link": links.full_address(path, request.build_absolute_uri("/")), "expires_at": until}
        )
