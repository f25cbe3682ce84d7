"""Middleware that answers operators' probes before Django checks the host name."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from telemetry_site import health, metrics

OPERATORS = {"/health": health.health, "/ready": health.ready, "/metrics": metrics.metrics}


def operators_first(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer `/health`, `/ready` and `/metrics` under any host name.

    Orchestrators and Prometheus use IP addresses, which are not in `ALLOWED_HOSTS`. No answer here
    depends on the host name.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        view = OPERATORS.get(request.path_info)
        return view(request) if view else get_response(request)

    return answer
