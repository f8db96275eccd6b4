"""Everything at once on four shards: clients that come, go, expire, do not answer pings and are cut off, and a backend that
publishes, subscribes, unsubscribes, disconnects and asks. Nothing may crash, hang or stay behind.

The same seed makes the same wishes (PEAL_SEED), though not the same timing; PEAL_CHAOS is the length in seconds."""
import http.client
import json
import os
import random
import threading
import time

import pytest

from harness import KEY, OPEN, SEED, STREAM, Client, Closed, Refused, config, frame, jwt

SECONDS = float(os.environ.get("PEAL_CHAOS", "6"))
CHANNELS = [f"{prefix}{n}" for prefix in ("rec:", "room:", "cache:", "") for n in range(4)]
USERS = ["u1", "u2", "u3"]
HASTY = {"ping_interval": "1s", "pong_timeout": "500ms", "presence_update_interval": "1s", "queue_max_size": 20000,
         "expired_close_delay": "1s", "expired_sub_close_delay": "1s"}
SPACES = [{"name": "rec", **STREAM, "history_size": 20, "history_ttl": "2s"},
          {"name": "room", **OPEN, "join_leave": True, "force_push_join_leave": True},
          {"name": "cache", **STREAM, "history_size": 1, "force_recovery_mode": "cache", "auto_cache_recover": True}]


def soon(rng):
    return int(time.time()) + rng.randrange(1, 4)


def a_client(server, rng):
    claims = {"sub": rng.choice(["", *USERS])}
    if rng.random() < 0.3:
        claims["exp"] = soon(rng)
    if rng.random() < 0.3:
        claims["channels"] = [rng.choice(CHANNELS)]
    return Client(server, token=jwt(**claims), pong=rng.random() < 0.9)


def a_command(c, rng):
    channel = rng.choice(CHANNELS)
    what = rng.choices(["subscribe", "recover", "unsubscribe", "publish", "presence", "presence_stats", "history", "refresh"],
                       [10, 10, 15, 20, 5, 3, 7, 5])[0]
    if what == "recover":
        c.ask("subscribe", channel=channel, recover=True, offset=rng.randrange(30), epoch=rng.choice(["", "x"]))
    elif what == "publish":
        c.ask("publish", channel=channel, data={"x": "y" * rng.choice([1, 10, 2000])})
    elif what == "history":
        c.ask("history", channel=channel, limit=rng.randrange(-1, 30), reverse=rng.random() < 0.5)
    elif what == "refresh":
        c.ask("refresh", token=jwt(sub=rng.choice(USERS), exp=soon(rng)))
    else:
        c.ask(what, channel=channel)


def a_call(server, rng):
    channel, user = rng.choice(CHANNELS), rng.choice(USERS)
    method, params = rng.choice([
        ("publish", {"channel": channel, "data": {"z": "q" * rng.choice([1, 3000])}}), ("broadcast", {"channels": CHANNELS, "data": 1}),
        ("disconnect", {"user": user}), ("subscribe", {"user": user, "channel": channel}), ("unsubscribe", {"user": user, "channel": rng.choice(["", channel])}),
        ("refresh", {"user": user, "expire_at": soon(rng)}), ("history_remove", {"channel": channel}), ("history", {"channel": channel, "limit": 5}),
        ("presence", {"channel": channel}), ("info", {}), ("channels", {})])
    status, _, text = server.http("POST", "/api/" + method, json.dumps(params), {"X-API-Key": KEY})
    assert status == 200 and json.loads(text), (method, status, text)


def live(server, rng, until, done, hung):
    c = None
    while time.monotonic() < until and server.is_alive():
        try:
            if rng.random() < 0.17:
                a_call(server, rng)
                continue
            c = c or a_client(server, rng)
            leave = rng.random()
            if leave < 0.05:                                     # cut off with a command under way
                c.post("publish", channel=rng.choice(CHANNELS), data=1)
            elif leave < 0.1:
                c.ws.raw(frame(b"\x03\xe8", op=8))
            elif leave < 0.13:
                time.sleep(0.3)
            else:
                a_command(c, rng)
            if leave < 0.1:
                c.close()
                c = None
            done.append(1)
        except TimeoutError:
            hung.append(rng)
            c = None
        except (Closed, Refused, OSError, EOFError, http.client.HTTPException):
            c = None                                             # the server's good right: expired, disconnected, slow, no pong
    if c:
        c.close()


@pytest.mark.shards
def test_everything_at_once(start):
    s = start(cfg=config(threads=4, client=HASTY, channel={"namespaces": SPACES}))
    until, done, hung, failed = time.monotonic() + SECONDS, [], [], []

    def work(n):
        try:
            live(s, random.Random(SEED * 1000 + n), until, done, hung)
        except Exception as e:                                   # a connect that is refused by an error, an answer that is none
            failed.append(repr(e))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert s.is_alive(), s.log_text()
    print(f"seed {SEED}: {len(done)} operations")
    assert not hung and not [f for f in failed if "expired" not in f], (len(hung), failed[:3])
    assert len(done) > 100
    s.until(lambda: s.api("info")["nodes"][0]["num_clients"] == 0)
    s.until(lambda: s.api("channels")["channels"] == {})
