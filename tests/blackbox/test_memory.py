"""Memory after many connections is what it was before: no leak by connect, subscribe, publish, disconnect in any manner.

Short here; PEAL_CYCLES=100000 is the long run that issue 3 asks for (within 2 % of the start)."""
import os
import random

import pytest

from harness import SEED, Client, Ws, config, frame

CYCLES = int(os.environ.get("PEAL_CYCLES", "3000"))


def cycle(server, rng, n):
    kind = n % 6
    if kind == 0:                                       # connects and leaves without a word
        server.connect().close()
    elif kind == 1:                                     # handshake only
        Ws(server).close()
    elif kind == 2:                                     # close handshake
        c = Client(server)
        c.ws.raw(frame(b"\x03\xe8", op=8))
        c.closed()
        c.close()
    elif kind == 3:                                     # nonsense
        ws = Ws(server)
        ws.send("nonsense")
        ws.close()
    else:                                               # a life
        c = Client(server)
        c.subscribe("common")
        c.subscribe(f"rec:{rng.randrange(50)}")
        c.subscribe(f"room:{rng.randrange(50)}")
        c.publish("common", {"n": n})
        if rng.random() < 0.5:
            c.call("unsubscribe", channel="common")
        c.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_returns_to_the_start(start):
    s = start(cfg=config(channel={"namespaces": [
        {"name": "rec", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True, "history_size": 10, "history_ttl": "300s", "force_recovery": True},
        {"name": "room", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True, "presence": True, "join_leave": True}]}))
    rng = random.Random(SEED)

    def settle():
        s.until(lambda: s.api("info")["nodes"][0]["num_clients"] == 0)
        return s.rss_kb(), s.n_fds()

    for n in range(max(600, CYCLES // 10)):             # tables and slabs reach their size
        cycle(s, rng, n)
    before, fds = settle()
    for n in range(CYCLES):
        cycle(s, rng, n)
    after, fds_after = settle()
    print(f"{CYCLES} cycles: {before} KiB before, {after} KiB after, {(after - before) / before:+.2%}")
    assert fds_after <= fds + 1
    assert after <= before * 1.02 + 128                 # 128 KiB: pages that the allocator happens to hold in a short run


@pytest.mark.slow
def test_idle_channels_and_users_go_away(start):
    """Channels without history leave nothing when their last subscriber has gone."""
    s = start()
    c = Client(s)

    def round_of(base):
        for n in range(100):
            c.subscribe(f"gone{base}-{n}")
        for n in range(100):
            c.call("unsubscribe", channel=f"gone{base}-{n}")

    for base in range(10):
        round_of(base)
    before = s.rss_kb()
    for base in range(10, 60):
        round_of(base)
    assert s.rss_kb() <= before * 1.02 + 256
    assert s.api("channels")["channels"] == {}
    c.close()
