"""Gemini's store of files: put there by the resumable protocol, read after a look or two, named by a question."""

from __future__ import annotations

from typing import Any

LOOKS = 2
"""After so many looks a file can be asked about."""


class GeminiStore:
    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.made = 0

    def begun(self, headers: dict[str, str], host: str) -> str:
        """The address for the bytes of a file of this size and type."""
        self.made += 1
        name = f"files/f-{self.made}"
        self.files[name] = {
            "name": name,
            "uri": f"http://{host}/v1beta/{name}",
            "mimeType": headers["x-goog-upload-header-content-type"],
            "size": int(headers["x-goog-upload-header-content-length"]),
            "state": "STARTED",
            "looks": 0,
        }
        return f"http://{host}/upload/v1beta/files?upload_id={self.made}"

    def filled(self, upload_id: str, size: int) -> dict[str, Any] | None:
        """The file whose bytes have come; None where they are not what was announced."""
        file = self.files.get(f"files/f-{upload_id}")
        if file is None or file["state"] != "STARTED" or file["size"] != size:
            return None
        file["state"] = "PROCESSING"
        return file

    def seen(self, name: str) -> dict[str, Any] | None:
        file = self.files.get(name)
        if file is not None:
            file["looks"] += 1
            file["state"] = "ACTIVE" if file["looks"] >= LOOKS else file["state"]
        return file

    def refusal(self, body: Any) -> str | None:
        """Why a question cannot be asked: it names a file that is not there or not read yet."""
        for turn in body.get("contents", ()) if isinstance(body, dict) else ():
            for part in turn.get("parts", ()):
                told = part.get("fileData")
                if told is None:
                    continue
                found = [file for file in self.files.values() if file["uri"] == told.get("fileUri")]
                if not found or told.get("mimeType") != found[0]["mimeType"]:
                    return "You do not have permission to access this file"
                if found[0]["state"] != "ACTIVE":
                    return "The file is not in an ACTIVE state and usage is not allowed."
        return None
