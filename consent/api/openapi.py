"""What the OpenAPI documentation says about every address for keys of scope `consent`."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from consent.api.errors import ERROR

ERRORS = {
    400: OpenApiResponse(ERROR, "something is missing or has the wrong type; `message` says what"),
    401: OpenApiResponse(ERROR, "no key, or an unknown one"),
    403: OpenApiResponse(ERROR, "a key without the scope `consent`, or bound to another organization"),
    429: OpenApiResponse(ERROR, "more requests than the key may send; `Retry-After` says when to try again"),
    503: OpenApiResponse(
        ERROR,
        "`not_certain`: recorded, but events in flight are not ruled out; `unavailable`: a database does "
        "not answer, and the request may not be recorded. Send the same request again",
    ),
}
CONFLICT = {
    409: OpenApiResponse(
        ERROR,
        "`do_not_track`: a grant in a request that asks not to be tracked (DNT, Sec-GPC); `refused`: this "
        "decision cannot be recorded, and `message` says why",
    )
}
AUTH: Any = [{"key": []}, {"keyHeader": []}]
REPEATED = "Repeating a choice records no second decision. A withdrawal is answered once it holds."
USER_HEADER = OpenApiParameter(
    "X-User-Id", str, OpenApiParameter.HEADER, description="The user, as events name it."
)
ORGANIZATION_HEADER = OpenApiParameter(
    "X-Organization-Id",
    str,
    OpenApiParameter.HEADER,
    description="The organization, as events name it. May be left out with a key bound to an organization.",
)
