"""Internal listener, unix sockets, who may reach which endpoint, and what proxies in front may say of their clients."""
import http.client
import json
import socket
import struct

import pytest

from harness import KEY, Refused, Ws, config, exchange, free_port, parse_all, read_answer

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def test_internal_listener_takes_api_metrics_and_health(start):
    inner = free_port()
    s = start(cfg=config(http_server={"internal_port": str(inner)}))
    for path in ("/health", "/metrics"):
        assert s.http("GET", path)[0] == 404
        assert s.http("GET", path, port=inner)[0] == 200
    assert s.http("POST", "/api/info", "{}", {"X-API-Key": KEY})[0] == 404
    assert s.api("info", port=inner)["nodes"]
    with pytest.raises(Refused) as e:
        Ws(s, port=inner)
    assert e.value.status == 404
    c = s.client()
    c.subscribe("news")
    s.api("publish", port=inner, channel="news", data=1)
    assert c.pub() == ("news", {"data": 1})
    c.close()


def test_api_can_be_external_beside_an_internal_listener(start):
    inner = free_port()
    s = start(cfg=config(http_server={"internal_port": str(inner)}, http_api={"external": True}))
    assert s.api("info")["nodes"]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.unix_path)


def test_internal_listener_on_a_unix_socket(start, tmp_path):
    path = str(tmp_path / "peal.sock")
    s = start(cfg=config(http_server={"internal_address": "unix:" + path}))
    c = s.client()
    c.subscribe("news")
    for n in range(5):
        h = UnixConnection(path)
        h.request("POST", "/api/publish", json.dumps({"channel": "news", "data": n}), {"X-API-Key": KEY})
        assert h.getresponse().status == 200
        h.close()
        assert c.pub()[1] == {"data": n}
    assert s.http("POST", "/api/info", "{}", {"X-API-Key": KEY})[0] == 404
    c.close()


def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(start, tmp_path):
    from harness import Server
    path = str(tmp_path / "peal.sock")
    cfg = config(http_server={"internal_address": "unix:" + path})
    s = start(cfg=cfg)
    with pytest.raises(AssertionError) as e:
        Server(tmp_path / "second", cfg)
    assert path in str(e.value)
    s.kill()
    start(cfg=cfg)


def test_port_in_use_is_told(start, tmp_path):
    from harness import Server
    s = start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        second = Server(tmp_path / "second", wait=False, port=port)
        assert second.wait_until_end() != 0
        assert str(port) in second.log_text()
    assert s.is_alive()


@pytest.mark.parametrize("rule,ok", [
    ({"allow": ["127.0.0.1"]}, True), ({"allow": ["127.0.0.0/8", "::1"]}, True), ({"allow": ["10.0.0.0/8"]}, False),
    ({"deny": ["127.0.0.0/8"]}, False), ({"deny": ["10.0.0.0/8"]}, True), ({"allow": ["127.0.0.1"], "deny": ["127.0.0.1"]}, False),
    ({}, True),
], ids=str)
def test_allow_and_deny_lists(start, rule, ok):
    s = start(cfg=config(http_api=rule))
    status = s.http("POST", "/api/info", "{}", {"X-API-Key": KEY})[0]
    assert status == (200 if ok else 403)
    assert s.http("GET", "/health")[0] == 200


def test_lists_hold_for_websocket_and_metrics(start):
    s = start(cfg=config(websocket={"deny": ["127.0.0.1"]}, prometheus={"deny": ["127.0.0.1"]}))
    with pytest.raises(Refused) as e:
        Ws(s)
    assert e.value.status == 403
    assert s.http("GET", "/metrics")[0] == 403


# ---- PROXY protocol: the API's allow list shows whom the server takes the client for
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(src, command=0x21, family=0x11, more=b""):
    if family == 0x11:
        body = socket.inet_aton(src) + socket.inet_aton("192.0.2.9") + struct.pack(">HH", 1234, 80)
    elif family == 0x21:
        body = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, "2001:db8::9") + struct.pack(">HH", 1234, 80)
    else:
        body = b""
    body += more
    return V2 + bytes([command, family]) + struct.pack(">H", len(body)) + body


@pytest.fixture(scope="module")
def behind_proxy(module_start):
    cfg = config(http_server={"proxy_protocol": ["127.0.0.1"]}, health={"allow": ["203.0.113.7", "2001:db8::7", "127.0.0.1"]})
    # the start-up probe of the harness speaks no PROXY protocol but connects: enough for it
    return module_start(cfg=cfg)


PROXY_OK = [
    ("v1 TCP4", b"PROXY TCP4 203.0.113.7 192.0.2.9 1234 80\r\n", 200),
    ("v1 TCP4 of another", b"PROXY TCP4 203.0.113.8 192.0.2.9 1234 80\r\n", 403),
    ("v1 TCP6", b"PROXY TCP6 2001:db8::7 2001:db8::9 1234 80\r\n", 200),
    ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n", 200),
    ("v2 IPv4", v2("203.0.113.7"), 200),
    ("v2 IPv4 of another", v2("203.0.113.8"), 403),
    ("v2 IPv6", v2("2001:db8::7", family=0x21), 200),
    ("v2 with extra fields", v2("203.0.113.7", more=b"\x04\x00\x03abc"), 200),
    ("v2 LOCAL", v2("203.0.113.8", command=0x20, family=0x00), 200),
]


@pytest.mark.parametrize("name,head,status", PROXY_OK, ids=[p[0] for p in PROXY_OK])
def test_proxy_protocol_names_the_client(behind_proxy, name, head, status):
    answers, _ = exchange(behind_proxy, head + GET)
    assert [a[0] for a in answers] == [status]


@pytest.mark.parametrize("head", [PROXY_OK[0][1], PROXY_OK[4][1]], ids=["v1", "v2"])
def test_proxy_head_in_single_bytes(behind_proxy, head):
    s = behind_proxy.connect()
    for b in head + GET:
        s.sendall(bytes([b]))
    assert read_answer(s)[0] == 200
    s.close()


PROXY_BAD = [
    ("none", GET), ("wrong word", b"PROXX TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET), ("no line end", b"PROXY TCP4 " + b"1" * 200),
    ("bad address", b"PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n" + GET), ("bad port", b"PROXY TCP4 1.2.3.4 5.6.7.8 99999 2\r\n" + GET),
    ("bare LF", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" + GET), ("v2 version 3", V2 + b"\x31\x11\0\x0c" + b"\0" * 12 + GET),
    ("v2 unknown command", V2 + b"\x22\x11\0\x0c" + b"\0" * 12 + GET), ("v2 too short for IPv4", V2 + b"\x21\x11\0\x04" + b"\0" * 4 + GET),
    ("v2 huge", V2 + b"\x21\x11\xff\xff" + b"\0" * 70000),
]


@pytest.mark.parametrize("name,data", PROXY_BAD, ids=[p[0] for p in PROXY_BAD])
def test_bad_proxy_heads_are_dropped_without_an_answer(behind_proxy, name, data):
    answers, state = exchange(behind_proxy, data)
    assert answers == [] and state == "closed"


def test_peers_that_are_not_listed_speak_plain_http(start):
    s = start(cfg=config(http_server={"proxy_protocol": ["10.0.0.0/8"]}))
    assert s.http("GET", "/health")[0] == 200
    answers, _ = exchange(s, PROXY_OK[0][1] + GET)
    assert [a[0] for a in answers] == [400]


# ---- X-Forwarded-For
@pytest.mark.parametrize("value,status", [
    ("203.0.113.7", 200), ("198.51.100.1, 203.0.113.7", 200), ("203.0.113.7, 198.51.100.1", 403), ("203.0.113.8", 403),
    ("203.0.113.7, 127.0.0.1", 200), ("2001:db8::7", 200), ("nonsense", 403), ("", 403), ("203.0.113.7:4321", 200),
], ids=str)
def test_x_forwarded_for_of_a_listed_proxy_counts_from_the_right(start, value, status):
    s = start(cfg=config(http_server={"trusted_proxies": ["127.0.0.1"]}, health={"allow": ["203.0.113.7", "2001:db8::7"]}))
    assert s.http("GET", "/health", headers={"X-Forwarded-For": value})[0] == status


def test_x_forwarded_for_of_anybody_else_is_ignored(start):
    s = start(cfg=config(health={"allow": ["203.0.113.7"]}))
    assert s.http("GET", "/health", headers={"X-Forwarded-For": "203.0.113.7"})[0] == 403
    s = start(cfg=config(http_server={"trusted_proxies": ["10.0.0.0/8"]}, health={"allow": ["203.0.113.7"]}))
    assert s.http("GET", "/health", headers={"X-Forwarded-For": "203.0.113.7"})[0] == 403


def test_limit_of_connections_for_one_address(start):
    s = start(cfg=config(http_server={"max_connections_per_address": 5}))
    held = []
    for _ in range(5):
        c = s.connect()
        c.sendall(GET)
        assert read_answer(c)[0] == 200
        held.append(c)
    extra = s.connect()
    extra.settimeout(5)
    try:
        extra.sendall(GET)
        got = extra.recv(1000)
    except OSError:
        got = b""
    assert got == b"" or parse_all(got)[0][0] == 503
    held.pop().close()
    s.until(lambda: s.is_alive() and try_get(s))
    for c in held:
        c.close()


def try_get(s):
    try:
        return s.http("GET", "/health")[0] == 200
    except OSError:
        return False
    except http.client.HTTPException:
        return False
