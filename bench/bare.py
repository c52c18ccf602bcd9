"""The yardstick: the least that Flask, gevent and geventhttpclient can do for one chat; nothing is governed.

Figures are given as multiples of what this costs in the same run: machines differ, multiples hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Flask, Response, request
from geventhttpclient import HTTPClient

app = Flask(__name__)
upstream = HTTPClient("127.0.0.1", int(os.environ["UPSTREAM_PORT"]), concurrency=2000, network_timeout=60)
JSON = {"content-type": "application/json"}


def events(reply: Any) -> Iterator[bytes]:
    """Parse each event and write it again, as any gateway that renames the model must."""
    while event := reply.readline(b"\n\n"):
        data = event[6:].strip()
        yield event if data == b"[DONE]" else b"data: " + orjson.dumps(orjson.loads(data)) + b"\n\n"


@app.post("/v1/chat/completions")
def chat() -> Response:
    body = orjson.loads(request.get_data())
    reply = upstream.post("/v1/chat/completions", body=orjson.dumps(body), headers=JSON)
    if body.get("stream"):
        return Response(events(reply), content_type="text/event-stream")
    return Response(orjson.dumps(orjson.loads(reply.read())), content_type="application/json")
