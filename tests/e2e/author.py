"""A provider that writes prose: an OpenAI-compatible server in a thread, whose answers a test sets word by word."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

USAGE = {"prompt_tokens": 46, "completion_tokens": 214, "total_tokens": 260}


class Author:
    """answers: by a word that the question has; what fits none is answered by the last of them."""

    def __init__(self, answers: dict[str, str]) -> None:
        author = self
        self.answers = answers

        class Desk(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._whole({"object": "list", "data": []})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                text = author.answer(str(asked["messages"][-1]["content"]))
                if asked.get("stream"):
                    self._stream(asked["model"], text)
                else:
                    message = {"role": "assistant", "content": text}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    self._whole({"id": "1", "object": "chat.completion", "choices": [choice], "usage": USAGE})

            def _whole(self, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _stream(self, model: str, text: str) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                frame = {"id": "1", "object": "chat.completion.chunk", "model": model}
                for piece in text.splitlines(keepends=True):
                    self._chunk(frame | {"choices": [{"index": 0, "delta": {"content": piece}}]})
                self._chunk(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self._chunk(frame | {"choices": [], "usage": USAGE})
                self.wfile.write(b"data: [DONE]\n\n")
                self.close_connection = True

            def _chunk(self, chunk: dict[str, Any]) -> None:
                self.wfile.write(b"data: %b\n\n" % json.dumps(chunk).encode())

            def log_message(self, *_: object) -> None:
                """Nobody wants it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self, question: str) -> str:
        return next((text for word, text in self.answers.items() if word in question), [*self.answers.values()][-1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
