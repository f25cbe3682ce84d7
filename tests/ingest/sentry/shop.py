"""An app that reports to Sentry: the real SDK for Python, with its default integrations, unmodified.

Argument: the DSN. It plants what must be stored nowhere, in every place that the SDK sends: message, locals,
breadcrumbs, request, headers, user, attachment, contexts, paths below a home directory.
"""

import logging
import os
import sys
import wsgiref.util
from pathlib import Path

SECRET = "qzjanedoe@example.com"  # tests/support/canaries/payloads.py recognizes it
HOME = Path(os.environ["HOME"])  # /…/home/qzjanedoe


def main(dsn: str) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    sentry_sdk.init(
        dsn=dsn,
        release="shop@5.10.0",
        environment="staging",
        server_name=SECRET,
        in_app_include=["baskets"],
        traces_sample_rate=1.0,
        send_default_pii=True,
        max_request_body_size="always",
        attach_stacktrace=True,
    )
    user = {"id": "sentry-user", "email": SECRET, "username": "qzjanedoe", "ip_address": "203.0.113.7"}
    sentry_sdk.set_user(user)
    tags = {"organization.id": "sentry-organization", "internal": "no", "mood": SECRET}
    tags |= {"package": "shop-client", "package_version": "0.9.0"}
    sentry_sdk.set_tags(tags)
    sentry_sdk.set_context("basket", {"owner": SECRET})
    sentry_sdk.add_breadcrumb(message=f"{SECRET} opened {HOME}", data={"path": str(HOME)})

    with sentry_sdk.new_scope() as scope:
        scope.set_extra("count", 3)
        scope.set_extra("note", SECRET)
        scope.add_attachment(bytes=b"\n\xff\x00" + SECRET.encode() * 100, filename=f"{SECRET}.txt")
        sentry_sdk.capture_message("event:cart.filled")
    sentry_sdk.capture_message("feature:harmlessword")
    sentry_sdk.capture_message("event:login")
    sentry_sdk.capture_message(f"the basket of {SECRET} in {HOME} is full")
    logging.getLogger("shop").error("no mail to %s", SECRET)
    module = HOME / "baskets.py"
    module.write_text(BASKETS)
    sys.path.insert(0, str(HOME))
    import baskets

    try:
        baskets.Basket().add(SECRET)
    except baskets.OutOfStock:
        sentry_sdk.capture_exception()

    with sentry_sdk.start_transaction(op="function", name="train_model", source="custom") as timed:
        timed.set_data("path", str(HOME))
        with sentry_sdk.start_span(op="db", name=f"SELECT '{SECRET}'"):
            pass
    with sentry_sdk.start_transaction(op="task", name=f"mail {SECRET}"):
        pass
    answered = SentryWsgiMiddleware(page)
    for path in ("/orders/17", "/broken"):
        environ = {"PATH_INFO": path, "QUERY_STRING": f"mail={SECRET}", "REMOTE_ADDR": "203.0.113.9"}
        environ |= {"HTTP_COOKIE": f"who={SECRET}", "HTTP_AUTHORIZATION": f"Basic {SECRET}"}
        wsgiref.util.setup_testing_defaults(environ)
        for _ in answered(environ, lambda *_: None):
            pass
    sentry_sdk.get_isolation_scope().start_session(session_mode="application")
    sentry_sdk.get_isolation_scope().end_session()
    sentry_sdk.flush(20)
    sentry_sdk.get_client().close()


BASKETS = """
class OutOfStock(Exception):
    pass


class Basket:
    def add(self, owner):
        token = "sk_live_qzjanedoe000017Ab"
        raise OutOfStock(f"{owner} with {token} has nothing left")
"""


def page(environ, start_response):
    import sentry_sdk

    scope = sentry_sdk.get_current_scope()
    if environ["PATH_INFO"] == "/broken":
        scope.set_transaction_name("/broken", source="url")
        start_response("500 Oops", [])
    else:
        scope.set_transaction_name("/orders/{id}", source="route")
        start_response("200 OK", [])
    return [b""]


if __name__ == "__main__":
    main(sys.argv[1])
