"""What SDKs, resource detectors and instrumentations send by themselves: known, and not worth declaring.

It says how an event came about, not what happened. Were these attributes listed one by one among the
undeclared ones, the few that an app's authors chose would be buried. So they are counted by group.
"""

from functools import lru_cache

# First words of names: of the semantic conventions, and of what Python, JavaScript, Java, Go and .NET send.
# Not here: what a vendor may want to keep (feature_flag, gen_ai, graphql, error, app, test).
GROUPS = frozenset(
    (
        # SDKs and their resources
        *("telemetry.sdk", "telemetry.auto", "telemetry.distro", "service.instance", "otel", "opentracing"),
        *("host", "os", "process", "container", "k8s", "cloud", "faas", "webengine", "device", "browser"),
        *("aws", "azure", "az", "gcp", "heroku", "oci", "openshift", "oracle_cloud", "cloudfoundry"),
        # Instrumentations
        *("http", "url", "net", "network", "server", "client", "source", "destination", "peer", "user_agent"),
        *("tls", "dns", "rpc", "db", "messaging", "thread", "code", "exception", "log"),
        *(
            "asgi",
            "wsgi",
            "celery",
            "express",
            "koa",
            "fastify",
            "hapi",
            "connect",
            "restify",
            "nestjs",
            "next",
        ),
        *("aspnetcore", "kestrel", "signalr"),
    )
)
# Without a dot; of loggers, and of older instrumentations.
WORDS = frozenset(
    (
        *("otelTraceID", "otelSpanID", "otelServiceName", "otelTraceSampled", "taskName", "component"),
        *("target_element", "target_xpath"),
    )
)
OTHERS = "(others)"


@lru_cache(maxsize=8192)
def group_of(name: str) -> str:
    """`host.*` for `host.id`; '' for a name that is not known as boilerplate. Says nothing else about it."""
    first, _, rest = name.partition(".")
    if not rest:
        return OTHERS if name in WORDS else ""
    if first in GROUPS:
        return f"{first}.*"
    second, _, rest = rest.partition(".")
    return f"{first}.{second}.*" if rest and f"{first}.{second}" in GROUPS else ""


def is_group(noted: str) -> bool:
    """Whether a noted name is one of these groups: no attribute's name is noted with such signs."""
    return noted == OTHERS or noted.endswith(".*")
