"""The server of the page: this machine alone, a secret in the address, pictures by number alone."""

from __future__ import annotations

import json
import re
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from csparc.data.report import BadItem
from csparc.search.browse.answers import MOST, Answers
from csparc.search.browse.page import assets
from csparc.search.index import Index

HOST = "127.0.0.1"
_ROUTE = re.compile(r"/([A-Za-z0-9_-]{1,100})/(?:(view|picture)/([0-9]{1,12})|([a-z.]{0,20}))")
_NUMBERS = re.compile(r"[0-9]{1,12}(?:,[0-9]{1,12}){0,99}")
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Serves one index; made by `serve`.

    Attributes
    ----------
    address : str
        Of the page, with the secret.
    """

    daemon_threads = True

    def __init__(self, index: Index, port: int, token: str) -> None:
        self.token = token
        self.answers = Answers(index)
        self.assets = assets()
        super().__init__((HOST, port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.address = f"http://{HOST}:{self.server_port}/{token}/"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(port={self.server_port})"  # without the secret

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in the middle of an answer is no news."""


def serve(index: Index, port: int = 0) -> Server:
    """A server of ``index`` that listens on 127.0.0.1; call its ``serve_forever``.

    Parameters
    ----------
    index : Index
    port : int
        0: one that is free.

    Returns
    -------
    Server
        A context, which closes it.

    Raises
    ------
    OSError
        The port is taken.
    """
    try:
        return Server(index, port, secrets.token_urlsafe(24))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} (--port)", f"{HOST}:{port}") from error


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for what `_ROUTE` names; all else is refused before anything is looked up."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Look at the host, then at the secret, then at what is asked for."""
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            # A page of elsewhere whose name was made to lead here (DNS rebinding).
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "another host was asked for")
            return
        target = urlsplit(self.path)
        route = _ROUTE.fullmatch(target.path)
        given = route[1] if route else ""
        if not secrets.compare_digest(given.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "use the whole address that csparc browse printed")
            return
        if route[2]:
            self._picture(route[2], int(route[3]))
        elif route[4] == "search":
            self._asked(target.query, self._search)
        elif route[4] == "words":
            self._asked(target.query, self._words)
        elif route[4] in self.server.assets:
            self._send(*self.server.assets[route[4]])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def _picture(self, kind: str, number: int) -> None:
        if number >= len(self.server.answers):
            self._refuse(HTTPStatus.NOT_FOUND, "no picture of this number")
            return
        try:
            self._send("image/jpeg", getattr(self.server.answers, kind)(number))
        except BadItem as bad:
            self._refuse(HTTPStatus.NOT_FOUND, bad.reason)

    def _asked(self, query: str, answer: Any) -> None:
        try:
            found = answer(parse_qs(query, keep_blank_values=True, max_num_fields=4))
        except KeyError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"{error} is missing")
            return
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(_JSON, json.dumps(found).encode("ascii"))

    def _search(self, query: dict[str, list[str]]) -> dict[str, Any]:
        count = query.get("k", ["24"])[0]
        if not re.fullmatch("[1-9][0-9]?", count):
            raise ValueError(f"k: expected a number from 1 to {MOST}")
        return self.server.answers.search(query["q"][0], int(count))

    def _words(self, query: dict[str, list[str]]) -> dict[str, Any]:
        asked = query["pictures"][0]
        if not _NUMBERS.fullmatch(asked):
            raise ValueError("pictures: expected numbers parted by commas")
        numbers = [int(number) for number in asked.split(",")]
        if max(numbers) >= len(self.server.answers):
            raise ValueError("pictures: no picture of this number")
        return self.server.answers.words(query["q"][0], numbers)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(_TEXT, f"{status.phrase}: {why}\n".encode(), status)

    def _send(self, kind: str, content: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses, such as another method than GET, with the same headers."""
        self.close_connection = True
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self.request_version = getattr(self, "request_version", "HTTP/1.0")
        self._refuse(status, "only GET is answered here")

    def version_string(self) -> str:
        """Without the versions of the programs."""
        return "csparc"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: addresses hold the secret."""
