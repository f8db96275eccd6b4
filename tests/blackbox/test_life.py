"""A connection's life and end: pings, stale clients, missing pongs, the server's stop, its death and return."""
import selectors
import signal
import socket
import time

import pytest

from harness import SLOWNESS, Client, Closed, Ws, config, frame, jwt, until


def test_client_that_never_connects_is_stale(start):
    s = start(cfg=config(client={"stale_close_delay": "1s"}))
    ws = Ws(s)
    begin = time.monotonic()
    with pytest.raises(Closed) as e:
        ws.recv()
    assert (e.value.code, e.value.reason) == (3502, "stale")
    assert 0.9 < time.monotonic() - begin < 3
    ws.close()


def test_ping_frames_do_not_keep_a_stale_client(start):
    s = start(cfg=config(client={"stale_close_delay": "1s"}))
    ws = Ws(s)
    begin = time.monotonic()
    with pytest.raises(Closed) as e:
        while True:
            ws.raw(frame(b"x", op=9))
            ws.recv_frame()
            time.sleep(0.1)
    assert e.value.code == 3502 and time.monotonic() - begin < 3


def test_missing_pong_is_3012(start):
    s = start(cfg=config(client={"ping_interval": "2s", "pong_timeout": "1s"}))
    c = Client(s, pong=False)
    begin = time.monotonic()
    assert c.closed() == (3012, "no pong")
    assert 1.9 < time.monotonic() - begin < 4.5
    assert c.pings == 1
    assert c.hello["ping"] == 2 and c.hello["pong"] is True


def test_answered_pings_keep_the_connection(start):
    s = start(cfg=config(client={"ping_interval": "1s", "pong_timeout": "500ms"}))
    c = Client(s)
    until(lambda: c.quiet(0.2) or c.pings >= 3)
    c.subscribe("news")  # several pong timeouts later it is still there
    c.close()


def test_pings_are_spread_over_the_interval(start):
    """400 clients that connect at once are pinged evenly over the interval, and keep their phase. (The figure for 10,000 clients, max
    over mean per second below 1.2, is bench's.)"""
    s = start(cfg=config(client={"ping_interval": "2s", "pong_timeout": "1s"}))
    clients = [Client(s, connect=False) for _ in range(400)]
    for c in clients:
        c.post("connect")
    for c in clients:
        c.reply(1)
    sel = selectors.DefaultSelector()
    for c in clients:
        sel.register(c.ws.sock, selectors.EVENT_READ, c)
    begin, seen = time.monotonic(), {1: [], 2: []}
    while len(seen[2]) < len(clients):
        assert time.monotonic() - begin < 7 * max(1, SLOWNESS), (len(seen[1]), len(seen[2]))
        for key, _ in sel.select(0.2):
            c = key.data
            before = c.pings
            c.pump(5)
            if before < c.pings <= 2:
                seen[c.pings].append(time.monotonic() - begin)
    for at in seen.values():
        assert len(at) == len(clients)
        tenths = [sum(1 for t in at if int(t / 0.2) % 10 == i) for i in range(10)]
        assert max(tenths) < 1.6 * len(at) / 10, tenths
    for c in clients:
        c.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stop_tells_every_client_3001(start, sig):
    s = start(cfg=config(threads=4))
    clients = [Client(s) for _ in range(40)]
    for c in clients:
        c.subscribe("news")
    plain = s.connect()
    plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    s.proc.send_signal(sig)
    assert {c.closed() for c in clients} == {(3001, "shutdown")}
    s.stop()
    plain.close()


def test_stop_is_bounded_by_the_shutdown_timeout(start):
    """Clients that never answer the close frame and requests that never end don't hold the stop beyond its timeout."""
    s = start(cfg=config(shutdown={"timeout": "2s"}))
    ws = [Ws(s) for _ in range(5)]
    half = s.connect()
    half.sendall(b"GET /hea")
    begin = time.monotonic()
    s.stop()
    assert time.monotonic() - begin < 5
    for w in ws:
        w.close()
    half.close()


def test_second_signal_ends_at_once(start):
    s = start(cfg=config(shutdown={"timeout": "20s"}))
    stuck = [Ws(s) for _ in range(3)]
    s.proc.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    s.stop(wait=3, want=None)
    for w in stuck:
        w.close()


def test_stopping_server_refuses_new_clients(start):
    s = start(cfg=config(shutdown={"timeout": "3s"}))
    ws = Ws(s)                                       # never answers the close frame, so the stop lasts
    s.proc.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    if s.is_alive():
        with pytest.raises((OSError, EOFError, Closed)):
            Client(s)
    s.stop()
    ws.close()


def test_killed_and_restarted_server_tells_the_truth(start):
    """The memory engine forgets at a restart: a recovering client is told, by recovered absent and another epoch."""
    s = start()
    c = Client(s)
    first = c.subscribe("rec:truth")
    c.publish("rec:truth", 1)
    c.publish("rec:truth", 2)
    s.kill()
    assert c.closed()[0] == 1006
    s.start()
    c = Client(s)
    again = c.subscribe("rec:truth", recover=True, offset=1, epoch=first["epoch"])
    assert again["was_recovering"] is True and "recovered" not in again and "publications" not in again
    assert again["epoch"] != first["epoch"]
    refused = Client(s).ask("subscribe", channel="rec:truth", recover=True, offset=1, epoch=first["epoch"], flag=2)
    assert refused["error"]["code"] == 112
    c.close()


def test_connection_that_drops_recovers_what_it_missed(start):
    s = start()
    c = Client(s)
    sub = c.subscribe("rec:missed")
    s.publish("rec:missed", 0)
    assert c.pub()[1]["offset"] == 1
    c.close()
    for n in range(1, 6):
        s.publish("rec:missed", n)
    c = Client(s)
    again = c.subscribe("rec:missed", recover=True, offset=1, epoch=sub["epoch"])
    assert again["recovered"] is True and [p["data"] for p in again["publications"]] == [1, 2, 3, 4, 5]
    s.publish("rec:missed", 6)
    assert c.pub()[1]["offset"] == 7
    c.close()


def test_token_that_expires_ends_the_connection_with_3005(start):
    s = start(cfg=config(client={"expired_close_delay": "1s"}))
    c = Client(s, token=jwt(sub="u", exp=int(time.time()) + 1))
    assert c.hello["expires"] is True and c.hello.get("ttl", 0) <= 1
    begin = time.monotonic()
    assert c.closed() == (3005, "connection expired")
    assert time.monotonic() - begin < 4


def test_refresh_saves_the_connection(start):
    """One socket over three expirations, then a token that lasts."""
    s = start(cfg=config(client={"expired_close_delay": "1s"}))
    c = Client(s, token=jwt(sub="u", exp=int(time.time()) + 2))
    for _ in range(3):
        c.quiet(1.5)
        r = c.call("refresh", token=jwt(sub="u", exp=int(time.time()) + 2))
        assert r["expires"] is True and r.get("ttl", 0) <= 2
    r = c.call("refresh", token=jwt(sub="u", exp=int(time.time()) + 600))
    assert 590 < r["ttl"] <= 600
    c.quiet(3.5)
    c.close()


def test_slow_reader_is_3008_and_others_are_not_hurt(start):
    s = start(cfg=config(client={"queue_max_size": 65536}, http_server={"send_buffer": 16384}))
    slow, quick = Client(s), Client(s)
    slow.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.subscribe("flood")
    quick.subscribe("flood")
    blob = "x" * 8000
    for n in range(600):
        s.publish("flood", {"n": n, "blob": blob})
        assert quick.pub()[1]["data"]["n"] == n
        if n % 50 == 49 and disconnects(s, 3008):
            break
    s.until(lambda: disconnects(s, 3008) == 1)
    assert slow.closed()[0] in (3008, 1006)
    quick.close()


def disconnects(s, code):
    return sum(v for k, v in s.metrics().items() if "server_disconnects" in k and f'code="{code}"' in k)
