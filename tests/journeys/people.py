"""Users of a live server, made for one test."""

from __future__ import annotations

import uuid
from typing import Any

import requests

PASSWORD = "Correct-horse-7"


class Person:
    """A registered user with a token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"p-{uuid.uuid4()}"
        made = requests.post(
            f"{url}/api/auth/register",
            json={"username": self.name, "email": f"{self.name}@example.com", "password": PASSWORD},
            timeout=30,
        )
        assert made.status_code == 201, made.text
        self.token: str = made.json()["data"]["access_token"]
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """The reply as it came: no redirect is followed."""
        return self._session.request(method, self.url + path, timeout=30, allow_redirects=False, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def chat(self, message: str, **fields: Any) -> dict[str, Any]:
        """Say it at the app door and give the reply's data."""
        reply = self.call("POST", "/llm/chat", json={"message": message, "model": "demo", **fields})
        assert reply.status_code == 200, reply.text
        data: dict[str, Any] = reply.json()["data"]
        return data
