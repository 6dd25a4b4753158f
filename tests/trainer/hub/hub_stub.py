"""The part of the Hub's interface that an upload uses, on a loopback port. Remembers what it was sent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HubStub(ThreadingHTTPServer):
    """Use as a context manager; `status` other than 200 refuses everything with a message that holds the token."""

    def __init__(self, status: int = 200, *, private: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.private = private
        """Of the repository that is there once it was asked for."""
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.tokens: set[str] = set()
        self.created: dict[str, Any] = {}
        self.files: dict[str, int] = {}
        """Bytes of each file of the commit."""
        self.blobs: dict[str, bytes] = {}
        """What was uploaded apart, by its hash."""

    def __enter__(self) -> HubStub:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: HubStub

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        self.server.blobs[self.path.rpartition("/")[2].partition("?")[0]] = self._body()
        self._reply({})

    def do_POST(self) -> None:
        body = self._body()
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.tokens.add(token)
        if self.server.status != 200:
            return self._reply({"error": f"refused: {token}"}, self.server.status)
        if self.path.endswith("/commit/main"):
            return self._commit([json.loads(line) for line in body.splitlines()])
        return self._answer(json.loads(body))

    def do_GET(self) -> None:
        self._reply({"id": "someone/tiny", "sha": "0" * 40, "siblings": [], "private": self.server.private})

    def _answer(self, asked: dict[str, Any]) -> None:
        endpoint = self.server.endpoint
        if self.path == "/api/repos/create":
            self.server.created = asked
            return self._reply({"url": f"{endpoint}/someone/tiny"})
        if "/preupload/" in self.path:
            modes = [("lfs" if "safetensors" in file["path"] else "regular", file["path"]) for file in asked["files"]]
            return self._reply(
                {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for mode, path in modes]}
            )
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    "oid": each["oid"],
                    "size": each["size"],
                    "actions": {"upload": {"href": f"{endpoint}/{each['oid']}?signature"}},
                }
                for each in asked["objects"]
            ]
            return self._reply({"transfer": "basic", "objects": objects})
        return self._reply({"errors": [], "warnings": []})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["key"] == "file":
                self.server.files[line["value"]["path"]] = len(line["value"]["content"])
            elif line["key"] == "lfsFile":
                self.server.files[line["value"]["path"]] = line["value"]["size"]
        url = f"{self.server.endpoint}/someone/tiny/commit/{'0' * 40}"
        self._reply({"success": True, "commitUrl": url, "commitOid": "0" * 40})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _reply(self, values: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
