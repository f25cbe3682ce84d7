"""A shop on Flask. `identity` is the module of docs/clients/flask.md."""

import time

from flask import Blueprint, Flask, Response, request
from identity import identify
from opentelemetry import trace

app = Flask(__name__)


@app.before_request
def signed_in():
    if user := request.headers.get("X-User"):
        identify(user, request.headers["X-Organization"])


orders = Blueprint("orders", __name__, url_prefix="/orders")


@orders.get("/<int(min=1):order_id>")
def order(order_id):
    with trace.get_tracer("shop").start_as_current_span("query"):
        time.sleep(0.03)
    return ""


@orders.get("/<int:order_id>/broken")
def broken(order_id):
    raise ValueError("planted secret")


api = Blueprint("api", __name__, url_prefix="/api")
api.register_blueprint(orders)
app.register_blueprint(api)


@app.get("/pricing")
def pricing():
    return ""


@app.get("/stream")
def stream():
    return Response(b"piece" for _ in range(3) if not time.sleep(0.01))


@app.get("/mistaken")
def mistaken():
    with trace.get_tracer("shop").start_as_current_span("work"):
        identify(request.headers["X-Mistaken"], request.headers["X-Organization"])
    return ""


mounted = Blueprint("mounted", __name__, url_prefix="/mounted")


@mounted.get("/items/<item_id>")
def item(item_id):
    return ""


app.register_blueprint(mounted)
