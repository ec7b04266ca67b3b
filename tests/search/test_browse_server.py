"""The page's server answers this machine, whoever has the secret, and pictures by number alone."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import picture_index
import pytest
from PIL import Image

from csparc.search import open_index
from csparc.search.browse import Server, serve
from csparc.search.browse import server as room


@pytest.fixture(scope="module")
def server(index) -> Iterator[Server]:
    with serve(index) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: Server, path: str, method: str = "GET", token: str | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of an answer; ``path`` goes behind the secret."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    token = server.token if token is None else token
    connection.request(method, f"/{token}/{path}", headers=headers)
    reply = connection.getresponse()
    found = reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    connection.close()
    return found


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    assert len(server.token) >= 32
    assert server.token not in repr(server)


def test_every_run_has_another_secret(index, server):
    with serve(index) as other:
        assert other.token != server.token


def test_the_page_its_pictures_and_its_answers(server, index):
    status, headers, page = ask(server, "")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"http" not in page.replace(b"<!doctype html>", b"")
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        status, headers, content = ask(server, name)
        assert (status, headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert content
    status, headers, content = ask(server, "search?q=a+red+circle&k=5")
    assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
    found = json.loads(content)
    hits = index.search("a red circle", 5)
    assert [hit["number"] for hit in found["hits"]] == [hit.index for hit in hits]
    assert found["pictures"] == len(index)
    for kind in ("picture", "view"):
        status, headers, content = ask(server, f"{kind}/{hits[0].index}")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        seen = np.asarray(Image.open(io.BytesIO(content)))
        assert seen.shape == ((12, 16, 3) if kind == "picture" else (288, 288, 3))


def test_words_have_a_layer_on_every_picture(server):
    status, _, content = ask(server, "words?q=a+red+circle&pictures=3,5")
    found = json.loads(content)
    assert status == 200
    assert found["words"] == ["a", "red", "circle"]
    assert set(found["layers"]) == {"3", "5"}
    for layers in found["layers"].values():
        assert all(markup.startswith("<svg") for markup, _ in layers)
        assert [told.partition(":")[0] for _, told in layers] == found["words"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_another_host_is_refused(server, host):
    given = host.format(port=server.server_port)
    assert ask(server, "", Host=given)[0] == 421


def test_localhost_is_this_machine(server):
    assert ask(server, "", Host=f"localhost:{server.server_port}")[0] == 200


def test_a_request_without_a_host_or_with_two_is_refused(server):
    for hosts in ("", f"Host: 127.0.0.1:{server.server_port}\r\nHost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as plain:
            plain.sendall(f"GET /{server.token}/ HTTP/1.1\r\n{hosts}\r\n".encode())
            assert plain.recv(100).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("path", ["", "search?q=a", "view/0", "picture/0", "page.js", "nothing"])
def test_without_the_secret_nothing_is_answered(server, path):
    for token in ("x", server.token[:-1], server.token + "x", server.token.swapcase()):
        status, _, content = ask(server, path, token=token)
        assert status == 403
        assert server.token.encode() not in content


def test_the_secret_is_compared_in_constant_time(server, monkeypatch):
    compared = []

    def compare(given: bytes, secret: bytes) -> bool:
        compared.append((given, secret))
        return given == secret

    monkeypatch.setattr(room.secrets, "compare_digest", compare)
    assert ask(server, "")[0] == 200
    assert ask(server, "", token="wrong")[0] == 403
    secret = server.token.encode()
    assert compared == [(secret, secret), (b"wrong", secret)]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_only_get_is_answered(server, method):
    status, headers, _ = ask(server, "", method)
    assert status == 405
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd", "picture/../../../../etc/passwd", "picture/..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "//etc/passwd", "picture//etc/passwd",
        "picture/00.png", "picture/-1", "picture/1e3", "picture/+1", "picture/0x1", "picture/%31",
        "picture/0/", "picture/0.jpg", "picture/\\..\\x", "picture/", "index.json", "page.css%00",
        "page.css/", "view/99999999999999999999", "picture/20", "view/20", ".lock", "page.html",
    ],
)  # fmt: skip
def test_nothing_but_pictures_of_the_index_by_number(server, path):
    status, _, content = ask(server, path)
    assert status in (403, 404)
    assert b"root:" not in content


@pytest.mark.parametrize(
    "query",
    [
        "search", "search?q=", "search?q=+&k=3", "search?q=a&k=0", "search?q=a&k=x", "search?k=3",
        "search?q=a&k=100", f"search?q={'a' * 1001}", "words?q=a&pictures=", "words?q=a",
        "words?q=a&pictures=20", "words?q=a&pictures=0,-1", "words?q=a&pictures=0;1",
        "words?q=a&pictures=../x", f"words?q={'a' * 1001}&pictures=0", "search?a=&b=&c=&d=&e=",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(server, query):
    assert ask(server, query)[0] == 400


def test_every_answer_is_closed_to_other_pages(server):
    for path in ("", "view/0", "search?q=a", "nothing", "page.js"):
        _, headers, _ = ask(server, path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["server"] == "csparc"
        assert "access-control-allow-origin" not in headers


def test_pictures_keep_nothing_but_their_pixels(run, tmp_path):
    photos = picture_index.make_photos(tmp_path / "photos", 3)
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.new("RGB", (40, 30)).save(photos / "00.jpg", exif=exif)
    picture_index.update(run, photos, tmp_path / "index")
    index = open_index(tmp_path / "index")
    number = next(row for row in range(len(index)) if index.entry(row).path == "00.jpg")
    assert b"where I live" in (photos / "00.jpg").read_bytes()
    with serve(index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert b"where I live" not in ask(server, f"picture/{number}")[2]
        server.shutdown()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_a_picture_replaced_by_a_link_elsewhere_is_not_shown(run, tmp_path):
    photos = picture_index.make_photos(tmp_path / "photos", 3)
    picture_index.update(run, photos, tmp_path / "index")
    Path(tmp_path / "secret.png").write_bytes((photos / "00.png").read_bytes())
    (photos / "00.png").unlink()
    (photos / "00.png").symlink_to(tmp_path / "secret.png")
    (photos / "01.png").unlink()
    with serve(open_index(tmp_path / "index")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for kind in ("view", "picture"):
            status, _, content = ask(server, f"{kind}/0")
            assert status == 404
            assert b"link that leaves the data folder" in content
            assert ask(server, f"{kind}/1")[0] == 404
        found = json.loads(ask(server, "words?q=a+boat&pictures=0,1,2")[2])
        assert list(found["layers"]) == ["2"]
        server.shutdown()


def test_a_taken_port_is_said(index, server):
    with pytest.raises(OSError, match=r"\(--port\)"):
        serve(index, server.server_port)
