"""Connections that speak HTTP: keep-alive, pipelining, pieces of any size, slow and oversize heads."""
import json
import time

import pytest

from harness import KEY, config, exchange, parse_all, read_answer

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def post(method, body, more=""):
    body = json.dumps(body).encode()
    return (f"POST /api/{method} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n{more}Content-Length: {len(body)}\r\n\r\n").encode() + body


def test_keep_alive_serves_many_requests_on_one_connection(server):
    s = server.connect()
    for _ in range(50):
        s.sendall(GET)
        status, headers, body, rest = read_answer(s)
        assert (status, body, rest) == (200, b"{}", b"")
        assert headers.get("connection", "keep-alive").lower() == "keep-alive"
    s.close()


def test_pipelined_requests_are_answered_in_order(server):
    s = server.connect()
    parts = [post("publish", {"channel": "rec:pipe", "data": n}) for n in range(40)]
    parts.append(post("history", {"channel": "rec:pipe", "limit": 100}))
    s.sendall(b"".join(parts))
    buf = b""
    while len(parse_all(buf)) < 41:
        buf += s.recv(65536)
    results = [json.loads(body)["result"] for _, _, body in parse_all(buf)]
    assert [r["offset"] for r in results[:40]] == list(range(1, 41))
    assert [p["data"] for p in results[40]["publications"]] == list(range(40))
    s.close()


def test_request_in_single_bytes(server):
    s = server.connect()
    for b in post("publish", {"channel": "bytes", "data": 1}):
        s.sendall(bytes([b]))
    assert read_answer(s)[0] == 200
    s.close()


def test_connection_close_is_honoured(server):
    answers, state = exchange(server, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET)
    assert len(answers) == 1 and state == "closed"


def test_http_1_0_closes_unless_keep_alive_is_asked(server):
    answers, state = exchange(server, b"GET /health HTTP/1.0\r\n\r\n")
    assert answers[0][0] == 200 and state == "closed"
    s = server.connect()
    for _ in range(2):
        s.sendall(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        status, headers, _, _ = read_answer(s)
        assert status == 200 and headers.get("connection", "").lower() == "keep-alive"
    s.close()


def test_head_request_has_no_body(server):
    """Else the next answer on the connection would be taken for its body."""
    s = server.connect()
    s.sendall(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    data = b""
    while data.count(b"HTTP/1.1 ") < 2 or not data.endswith(b"{}"):
        data += s.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 405"))
    assert rest.startswith(b"HTTP/1.1 200")
    s.close()


def test_expect_100_continue(server):
    body = json.dumps({"channel": "expect", "data": 1}).encode()
    s = server.connect()
    s.sendall(f"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    s.settimeout(5)
    got = s.recv(1000)
    assert got.startswith(b"HTTP/1.1 100 ")
    s.sendall(body)
    assert read_answer(s)[0] == 200
    s.close()


@pytest.mark.parametrize("head", [
    b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200000 + b"\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 40000 + b"\r\n",
    b"A" * 300000,
], ids=["target", "field", "fields", "method"])
def test_oversize_head_is_431(server, head):
    answers, state = exchange(server, head)
    assert state == "closed"
    assert answers and answers[0][0] in (431, 414, 400), answers
    if b"HTTP/1.1\r\nHost" in head[:60]:
        assert answers[0][0] == 431


def test_slow_head_is_408(start):
    s = start(cfg=config(http_server={"read_header_timeout": "1s"}))
    c = s.connect()
    c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
    begin = time.monotonic()
    status, headers, _, _ = read_answer(c)
    assert status == 408 and headers.get("connection", "").lower() == "close"
    assert 0.8 < time.monotonic() - begin < 4
    assert c.recv(1) == b""
    c.close()


def test_head_that_drips_is_408_too(start):
    """The limit holds for the whole head: a byte now and then does not renew it."""
    s = start(cfg=config(http_server={"read_header_timeout": "1s"}))
    c = s.connect()
    begin = time.monotonic()
    c.settimeout(0.1)
    got = b""
    for b in b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 200:
        try:
            c.sendall(bytes([b]))
            got = c.recv(1000)
            if got:
                break
        except TimeoutError:
            continue
        except OSError:
            break
    assert time.monotonic() - begin < 5
    assert got.startswith(b"HTTP/1.1 408")
    c.close()


def test_slow_body_is_408(start):
    s = start(cfg=config(http_server={"read_timeout": "1s"}))
    c = s.connect()
    c.sendall(f"POST /api/info HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 10\r\n\r\n{{".encode())
    assert read_answer(c)[0] == 408
    c.close()


def test_idle_connection_is_closed_after_the_keepalive_timeout(start):
    s = start(cfg=config(http_server={"keepalive_timeout": "1s"}))
    c = s.connect()
    c.sendall(GET)
    assert read_answer(c)[0] == 200
    begin = time.monotonic()
    c.settimeout(5)
    assert c.recv(100) == b""
    assert 0.8 < time.monotonic() - begin < 4
    c.close()


def test_silent_connection_is_closed_without_words(start):
    """Nothing was asked, so nothing is answered: browsers open spare connections."""
    s = start(cfg=config(http_server={"read_header_timeout": "1s", "keepalive_timeout": "1s"}))
    c = s.connect()
    c.settimeout(5)
    assert c.recv(100) == b""
    c.close()


def test_half_closed_client_still_gets_its_answer(server):
    import socket
    c = server.connect()
    c.sendall(GET)
    c.shutdown(socket.SHUT_WR)
    assert read_answer(c)[0] == 200
    c.close()


def test_wrong_method_is_405_with_empty_body(server):
    for verb, path in (("POST", "/connection/websocket"), ("GET", "/api/publish"), ("DELETE", "/api/publish")):
        status, headers, body = server.http(verb, path, headers={"X-API-Key": KEY})
        if path.startswith("/api"):
            assert (status, body) == (405, ""), (verb, path, status, body)
        else:
            assert status in (400, 405, 426)


def test_answers_carry_date_and_no_server_version(server):
    _, headers, _ = server.http("GET", "/health")
    assert "date" in headers
    assert not any(c.isdigit() for c in headers.get("server", ""))
