"""Bad input: 10,000 random and mutated byte streams (PEAL_GARBAGE sets how many) over every port and every layer that a peer
reaches: HTTP, WebSocket frames, JSON commands, the internal API, the PROXY protocol, TLS. Nothing crashes, hangs or leaks;
each connection is closed by the server with a code that fits, or by us while it rightly still waits for more.

The same seed gives the same streams (PEAL_SEED); a failure prints the stream in hexadecimal."""
import collections
import json
import os
import random
import selectors
import socket
import ssl
import struct
import time

import pytest

from harness import KEY, SEED, SLOWNESS, Client, config, frame, free_port, jwt, trusting

TOTAL = int(int(os.environ.get("PEAL_GARBAGE", "10000")) / SLOWNESS)
SHAKE = (b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
CONNECT = frame(b'{"id":1,"connect":{}}', mask=b"\x37\xfa\x21\x3d")
COMMANDS = [{"subscribe": {"channel": "rec:g"}}, {"subscribe": {"channel": "rec:g", "recover": True, "offset": 3, "epoch": "x"}},
            {"publish": {"channel": "rec:g", "data": {"a": [1, 2, {"b": None}]}}}, {"presence": {"channel": "a"}}, {"presence_stats": {"channel": "a"}},
            {"history": {"channel": "rec:g", "limit": 5, "since": {"offset": 1, "epoch": "y"}, "reverse": True}}, {"ping": {}}, {"rpc": {"method": "x", "data": 1}},
            {"refresh": {"token": "a.b.c"}}, {"sub_refresh": {"channel": "a", "token": "x"}}, {"unsubscribe": {"channel": "rec:g"}}, {"send": {"data": 1}},
            {"connect": {"token": "a.b.c"}}]
CALLS = [("publish", {"channel": "rec:g", "data": {"x": 1}, "tags": {"a": "b"}, "idempotency_key": "k"}), ("broadcast", {"channels": ["a", "rec:g"], "data": 1}),
         ("history", {"channel": "rec:g", "limit": 3, "since": {"offset": 1, "epoch": "q"}}), ("presence", {"channel": "a"}), ("info", {}), ("channels", {"pattern": "*"}),
         ("disconnect", {"user": "nobody", "disconnect": {"code": 4000, "reason": "x"}}), ("batch", {"commands": [{"publish": {"channel": "a", "data": 1}}]}),
         ("subscribe", {"user": "nobody", "channel": "a"}), ("unsubscribe", {"user": "nobody", "channel": "a"}), ("history_remove", {"channel": "rec:g"})]


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        kind = rng.randrange(7)
        at = rng.randrange(len(data) + 1)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 3:
            del data[at:at + rng.randrange(1, 9)]
        elif kind == 4:
            end = min(len(data), at + rng.randrange(1, 40))
            data[at:at] = data[at:end]
        elif kind == 5:
            del data[at:]
        else:
            data[at:at] = rng.choice((b"\r\n", b"\0", b"\n", b"\xff\xff\xff\xff", b"{", b"[" * 40, b"\"", b"99999999999999999999", b"-1", b"1e400", b"\\ud800", b":", b" "))
    return bytes(data)


def mutated_json(rng, value):
    text = json.dumps(value).encode()
    bent = mutate(rng, text) if rng.random() < 0.8 else text
    return bent if rng.random() < 0.2 else bent.decode("utf-8", "replace").encode()   # mostly text, or UTF-8 is all that is checked


def of_http(rng):
    method, params = rng.choice(CALLS)
    body = mutated_json(rng, params)
    head = f"POST /api/{method} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    chunked = f"POST /api/{method} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    return rng.choice((lambda: head + body, lambda: mutate(rng, head) + body, lambda: mutate(rng, chunked), lambda: mutate(rng, SHAKE),
                       lambda: rng.randbytes(rng.randrange(1, 600)), lambda: mutate(rng, head + body + head + body)))()


def of_frames(rng):
    def one():
        command = dict(rng.choice(COMMANDS), id=rng.randrange(0, 5))
        f = frame(mutated_json(rng, command), op=rng.choice((1, 1, 1, 2, 0, 8, 9, 10, 3)), fin=rng.random() < 0.85, rsv=rng.choice((0,) * 12 + (0x40, 0x10)),
                  mask=rng.randbytes(4))
        return mutate(rng, f) if rng.random() < 0.4 else f
    return SHAKE + (CONNECT if rng.random() < 0.8 else b"") + b"".join(one() for _ in range(rng.randrange(1, 6)))


def of_commands(rng):
    """Well-formed frames with ill-formed commands: the protocol's own answers."""
    lines = b"\n".join(mutated_json(rng, dict(rng.choice(COMMANDS), id=rng.randrange(1, 9))) for _ in range(rng.randrange(1, 5)))
    return SHAKE + CONNECT + frame(lines, mask=rng.randbytes(4))


def of_deflate(rng):
    return SHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n") + frame(rng.randbytes(rng.randrange(1, 200)), rsv=0x40, mask=b"\1\2\3\4")


def of_proxy(rng):
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1\2\3\4\5\6\7\x08" + struct.pack(">HH", 1, 2)
    head = rng.choice((b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PROXY TCP6 ::1 ::2 1 2\r\n", b"PROXY UNKNOWN\r\n", v2))
    return mutate(rng, head) + rng.choice((b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", of_http(rng)))


def of_tls(rng):
    """A real hello, bent."""
    inner, outer = ssl.MemoryBIO(), ssl.MemoryBIO()
    obj = trusting().wrap_bio(inner, outer, server_hostname="localhost")
    try:
        obj.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return mutate(rng, outer.read()) if rng.random() < 0.9 else rng.randbytes(rng.randrange(1, 400))


def close_code(buf):
    """the code of the last close frame among what a server sent after its 101, None without one"""
    _, _, buf = buf.partition(b"\r\n\r\n")
    code = None
    while len(buf) >= 2:
        n, at = buf[1] & 127, 2
        if n == 126:
            n, at = struct.unpack(">H", buf[2:4])[0], 4
        elif n == 127:
            n, at = struct.unpack(">Q", buf[2:10])[0], 10
        if buf[0] & 15 == 8:
            code = struct.unpack(">H", buf[at:at + 2])[0] if n >= 2 else 1005
        buf = buf[at + n:]
    return code


# from 3000 on a client may close with any code, and gets it back
CODES = {1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014} | set(range(3000, 5000))
STATUSES = {200, 101, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 426, 431, 501, 503, 505, 100, 204}


def feed(server, port, make, n, rng, tally):
    """n streams, 200 connections at a time, each written in one or two pieces."""
    sel = selectors.DefaultSelector()
    left, live, swept = n, 0, 0.0
    while left or live:
        while left and live < 200:
            left -= 1
            data = make(rng)
            try:
                s = socket.create_connection(("127.0.0.1", port), timeout=10)
            except OSError as e:
                raise AssertionError(f"{make.__name__}: the server does not accept: {e}; alive: {server.is_alive()}\n{server.log_text()}") from None
            s.setblocking(False)
            cut = rng.randrange(len(data) + 1) if rng.random() < 0.3 else len(data)
            state = {"s": s, "data": data, "got": b"", "pieces": [data[:cut], data[cut:]], "end": time.monotonic() + 0.35}
            sel.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE, state)
            live += 1
        for key, mask in sel.select(0.05):
            st, s = key.data, key.data["s"]
            try:
                if mask & selectors.EVENT_WRITE:
                    if st["pieces"]:
                        sent = s.send(st["pieces"][0]) if st["pieces"][0] else 0
                        st["pieces"][0] = st["pieces"][0][sent:]
                        if not st["pieces"][0]:
                            st["pieces"].pop(0)
                    if not st["pieces"]:
                        sel.modify(s, selectors.EVENT_READ, st)
                if mask & selectors.EVENT_READ:
                    d = s.recv(65536)
                    if not d:
                        st["end"], st["closed"] = 0, True
                    st["got"] += d
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                st["end"], st["closed"] = 0, True
        now = time.monotonic()
        if now - swept < 0.02 and live == 200:
            continue
        swept = now
        for key in list(sel.get_map().values()):
            st = key.data
            if st["end"] <= now:
                sel.unregister(st["s"])
                st["s"].close()
                live -= 1
                judge(make, st, tally)


def judge(make, st, tally):
    got, name = st["got"], make.__name__
    if name == "of_tls":
        tally[name, "closed" if st.get("closed") else "waits"] += 1
        return
    where = f"{name}: {st['data'].hex()} -> {got[:400]!r}"
    if got.startswith(b"HTTP/1.1 101"):
        code = close_code(got)
        assert code is None or code in CODES, where
        if st.get("closed"):
            assert code is not None or b"\x88" in st["data"], "closed without a close frame: " + where
        tally[name, code or "waits"] += 1
    elif got:
        assert got.startswith(b"HTTP/1.1 "), where
        status = int(got[9:12])
        assert status in STATUSES, where
        tally[name, status] += 1
    else:
        tally[name, "silent close" if st.get("closed") else "waits"] += 1
        if st.get("closed") and name not in ("of_proxy", "of_tls"):
            # a head that never became one may be dropped silently only if nothing was ever sent
            assert not st["data"].strip(b"\r\n"), "closed without a word: " + where


@pytest.mark.timeout(240)
def test_random_and_mutated_streams_at_every_port(start, certs, tmp_path):
    inner = free_port()
    cert, key = certs["localhost"]
    # the watcher does not read while the others are fed, which takes longer than a ping period on a slow machine
    both = start(cfg=config(http_server={"internal_port": str(inner)}, websocket={"compression": True}, threads=2,
                            client={"ping_interval": "300s"}))
    proxied = start(cfg=config(http_server={"proxy_protocol": ["127.0.0.1"]}))
    tls = start(cfg=config(http_server={"tls": {"enabled": True, "cert_pem": cert, "key_pem": key}}))
    watcher = Client(both, token=jwt(sub="watcher"))
    watcher.subscribe("watch")
    rng, tally = random.Random(SEED), collections.Counter()
    fds = {s: s.n_fds() for s in (both, proxied, tls)}
    plan = [(both, inner, of_http, 0.28), (both, both.port, of_http, 0.05), (both, both.port, of_frames, 0.28), (both, both.port, of_commands, 0.2),
            (both, both.port, of_deflate, 0.04), (proxied, proxied.port, of_proxy, 0.1), (tls, tls.port, of_tls, 0.05)]
    for server, port, make, share in plan:
        feed(server, port, make, int(TOTAL * share), rng, tally)
        assert server.is_alive(), server.log_text()
    print(f"seed {SEED}, {sum(tally.values())} streams:", *(f"{k[0][3:]}/{k[1]}={v}" for k, v in sorted(tally.items(), key=str)))
    # nobody else was hurt, and nothing was kept
    both.api("publish", port=inner, channel="watch", data="still here")
    while watcher.pub()[1]["data"] != "still here":
        pass
    watcher.close()
    for s, before in fds.items():
        s.until(lambda s=s, before=before: s.n_fds() <= before + 1)
