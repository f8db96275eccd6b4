"""Whole stories of several clients and a backend, with a foreign WebSocket library on one side."""
import json
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websocket

from harness import Client, config, jwt


def test_chat_room(server):
    """Two people meet: each sees the other come, talk, type and go; the third asks for history and presence."""
    ann, bob = Client(server, token=jwt(sub="ann", info={"name": "Ann"})), Client(server, token=jwt(sub="bob"))
    ann.subscribe("room:chat")
    assert ann.push()["join"]["info"]["user"] == "ann"
    bob.subscribe("room:chat")
    assert ann.push()["join"]["info"]["user"] == "bob"
    assert bob.push()["join"]["info"]["user"] == "bob"
    ann.publish("room:chat", {"text": "hello"})
    channel, pub = bob.pub()
    assert pub["data"] == {"text": "hello"} and pub["info"]["user"] == "ann" and pub["info"]["conn_info"] == {"name": "Ann"}
    assert ann.pub()[1] == pub
    presence = bob.call("presence", channel="room:chat")["presence"]
    assert {p["user"] for p in presence.values()} == {"ann", "bob"}
    bob.close()
    assert ann.push()["leave"]["info"]["user"] == "bob"
    ann.close()


def test_backend_pushes_to_a_user_on_several_devices(server):
    devices = [Client(server, token=jwt(sub="dora", channels=["#dora-news", "news"])) for _ in range(3)]
    for d in devices:
        assert set(d.hello["subs"]) == {"#dora-news", "news"}
    server.publish("#dora-news", {"n": 1})
    for d in devices:
        assert d.pub() == ("#dora-news", {"data": {"n": 1}})
    server.api("disconnect", user="dora", whitelist=[devices[0].id])
    for d in devices[1:]:
        assert d.closed() == (3503, "force disconnect")
    devices[0].quiet(0.05)
    devices[0].close()


def test_broadcast_to_many_channels(server):
    c = Client(server)
    for n in range(10):
        c.subscribe(f"cast{n}")
    got = server.api("broadcast", channels=[f"cast{n}" for n in range(10)], data={"all": True})
    assert len(got["responses"]) == 10
    assert {c.pub()[0] for _ in range(10)} == {f"cast{n}" for n in range(10)}
    c.close()


def test_message_that_nobody_waits_for_is_gone(server):
    """A channel without history keeps nothing: publish, then listen, and nothing comes."""
    assert server.publish("unheard", 1) == {}
    c = Client(server)
    assert c.subscribe("unheard") == {}
    c.quiet(0.2)
    server.publish("unheard", 2)
    assert c.pub() == ("unheard", {"data": 2})
    c.close()


def test_idempotent_publish_is_delivered_once(server):
    c = Client(server)
    c.subscribe("rec:once")
    first = server.publish("rec:once", 1, idempotency_key="k1")
    assert server.publish("rec:once", 1, idempotency_key="k1") == first
    second = server.publish("rec:once", 2, idempotency_key="k2")
    assert [c.pub()[1]["data"] for _ in range(2)] == [1, 2] and second["offset"] == 2
    c.quiet(0.05)
    c.close()


def test_paging_through_history(server):
    for n in range(25):
        server.publish("rec:pages", n)
    c = Client(server)
    seen, since = [], None
    while True:
        page = c.call("history", channel="rec:pages", limit=10, **({"since": since} if since else {"since": {"offset": 0, "epoch": ""}}))
        if not page["publications"]:
            break
        seen += [p["data"] for p in page["publications"]]
        since = {"offset": page["publications"][-1]["offset"], "epoch": page["epoch"]}
    assert seen == list(range(25))
    back = c.call("history", channel="rec:pages", limit=3, reverse=True)
    assert [p["data"] for p in back["publications"]] == [24, 23, 22]
    c.close()


def test_commands_in_one_frame_are_answered_in_order(server):
    with websocket(f"ws://127.0.0.1:{server.port}/connection/websocket") as ws:
        ws.send("\n".join(json.dumps(c) for c in (
            {"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "frame"}}, {"id": 3, "publish": {"channel": "frame", "data": 1}},
            {"id": 4, "unsubscribe": {"channel": "frame"}})))
        lines = []
        while len(lines) < 5:
            lines += [json.loads(x) for x in ws.recv(5).split("\n")]
    assert [m.get("id", "push") for m in lines] == [1, 2, "push", 3, 4]


def test_foreign_library_gets_close_codes(server):
    with websocket(f"ws://127.0.0.1:{server.port}/connection/websocket") as ws:
        ws.send("{}")
        with pytest.raises(ConnectionClosed) as e:
            ws.recv(5)
    assert (e.value.rcvd.code, e.value.rcvd.reason) == (3501, "bad request")


def test_foreign_library_with_compression(start):
    s = start(cfg=config(websocket={"compression": True}))
    with websocket(f"ws://127.0.0.1:{s.port}/connection/websocket", compression="deflate") as ws:
        ws.send('{"id":1,"connect":{}}')
        assert "client" in json.loads(ws.recv(5))["connect"]
        ws.send('{"id":2,"subscribe":{"channel":"rec:z"}}')
        ws.recv(5)
        text = "abc" * 5000
        s.publish("rec:z", text)
        assert json.loads(ws.recv(5))["push"]["pub"]["data"] == text


def test_forty_clients_talk_at_once(server):
    """Each of 40 clients publishes 20 messages into one channel; each gets all 800, every sender's in order."""
    clients = [Client(server) for _ in range(40)]
    for c in clients:
        c.subscribe("rec:forty")
    failures = []

    def work(me, c):
        try:
            for n in range(20):
                c.post("publish", channel="rec:forty", data=[me, n])
            seen = {i: [] for i in range(40)}
            for _ in range(800):
                who, n = c.pub(30)[1]["data"]
                seen[who].append(n)
            assert all(v == list(range(20)) for v in seen.values())
        except Exception as e:
            failures.append(repr(e))

    threads = [threading.Thread(target=work, args=x) for x in enumerate(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[:3]
    for c in clients:
        c.close()


def test_reconnect_storm(server):
    """100 clients vanish at once, come back and recover the same five publications."""
    clients = [Client(server) for _ in range(100)]
    positions = [c.subscribe("rec:storm") for c in clients]
    for c in clients:
        c.close()
    for n in range(5):
        server.publish("rec:storm", n)
    clients = [Client(server, connect=False) for _ in range(100)]
    for c in clients:
        c.post("connect")
    for c, p in zip(clients, positions):
        c.reply(1)
        sub = c.subscribe("rec:storm", recover=True, offset=p.get("offset", 0), epoch=p["epoch"])
        assert sub["recovered"] and [x["data"] for x in sub["publications"]] == list(range(5))
        c.close()


def test_limits_of_connections_and_channels(start):
    s = start(cfg=config(client={"channel_limit": 3, "user_connection_limit": 2}))
    c = Client(s)
    for n in range(3):
        c.subscribe(f"c{n}")
    assert c.ask("subscribe", channel="c3")["error"]["code"] == 106
    c.call("unsubscribe", channel="c0")
    c.subscribe("c3")
    two = [Client(s, token=jwt(sub="u")) for _ in range(2)]
    third = Client(s, connect=False)
    third.post("connect", token=jwt(sub="u"))
    assert third.closed() == (3504, "connection limit")
    two[0].close()
    s.until(lambda: s.api("info")["nodes"][0]["num_clients"] == 2)
    Client(s, token=jwt(sub="u")).close()
    for x in (c, two[1]):
        x.close()
