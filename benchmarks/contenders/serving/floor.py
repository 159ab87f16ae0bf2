"""uvicorn by itself: reads the body and answers with a constant. What no service on it can pass."""

import os

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

BODY = (
    b'{"model":"model_01KB0F8M2E5V9K3T7H1G4P6JSA","predictions":[{"label":"7","index":7,"confidence"'
    b':0.998,"probabilities":[0.0,0.0,0.0001,0.0012,0.0,0.0,0.0,0.998,0.0,0.0007]}]}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The same answer to everything."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


uvicorn.run(
    app,
    port=int(os.environ["PORT"]),
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
)
