"""What stands between a client and a server, and lets chosen requests go wrong."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING = "nothing"  # it is passed on, and answered
REFUSE = "refuse"  # answered with 500 before it reaches the server
LOSE = "lose"  # done by the server, and then the connection is closed without an answer
HANG = "hang"  # never answered, nor passed on
CUT = "cut"  # half of what is sent reaches the server


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    method: str
    path: str
    body: bytes = field(repr=False)

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET" and not self.path.endswith(("search", "get-latest-versions"))


@contextmanager
def between(upstream: str, fate: Callable[[Request], str]) -> Iterator[str]:
    """Pass requests on to a server, but for those with another fate; yield the address."""
    netloc = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20
        wbufsize = -1  # an answer in one piece: the second of two would wait for an acknowledgement

        def log_message(self, *arguments: Any) -> None:
            del arguments

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            decided = fate(Request(self.command, self.path.split("?")[0], body))
            if decided == HANG:
                time.sleep(3)
            if decided == CUT:
                self._cut(body)
            if decided in {HANG, CUT}:
                self.close_connection = True
                return
            if decided == REFUSE:
                self._answer(500, [], b"no")
                return
            status, headers, content = self._passed_on(body)
            if decided == LOSE:
                self.close_connection = True
                return
            self._answer(status, headers, content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

        def _passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(netloc, timeout=20)
            headers = {key: value for key, value in self.headers.items() if key != "Host"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, answer.getheaders(), content

        def _cut(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(netloc, timeout=20)
            connection.putrequest(self.command, self.path)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[: len(body) // 2])
            connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            for key, value in headers:
                if key.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)
