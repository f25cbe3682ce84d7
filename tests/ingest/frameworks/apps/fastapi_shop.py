"""A shop on FastAPI. `identity` is the module of docs/clients/fastapi.md."""

import asyncio

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from identity import NoteServerSpan, identify
from opentelemetry import trace


def signed_in(request: Request):
    if user := request.headers.get("X-User"):
        identify(user, request.headers["X-Organization"])


orders = APIRouter(prefix="/orders")


@orders.get("/{order_id}")
async def order(order_id: int):
    with trace.get_tracer("shop").start_as_current_span("query"):
        await asyncio.sleep(0.03)


@orders.get("/{order_id}/broken")
async def broken(order_id: int):
    raise ValueError("planted secret")


app = FastAPI(dependencies=[Depends(signed_in)])
app.add_middleware(NoteServerSpan)
app.include_router(orders, prefix="/api")


@app.get("/pricing")
def pricing(): ...


@app.get("/stream")
async def stream():
    async def pieces():
        for _ in range(3):
            await asyncio.sleep(0.01)
            yield b"piece"

    return StreamingResponse(pieces())


@app.get("/mistaken")
async def mistaken(request: Request):
    """What many examples show."""
    who = {"user.id": request.headers["X-Mistaken"], "organization.id": request.headers["X-Organization"]}
    trace.get_current_span().set_attributes(who)


mounted = FastAPI(dependencies=[Depends(signed_in)])


@mounted.get("/items/{item_id}")
def item(item_id: int): ...


app.mount("/mounted", mounted)
