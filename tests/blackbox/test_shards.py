"""Several shards (threads: 4): publishers, subscribers and channel homes on different threads; what one client sees must not
depend on where the others live."""
import json
import random
import threading

import pytest

from harness import Client, config, jwt

pytestmark = pytest.mark.shards


@pytest.fixture(scope="module")
def four(module_start):
    return module_start(cfg=config(threads=4))


def test_every_subscriber_gets_every_publication_in_order(four):
    clients = [Client(four) for _ in range(24)]
    for c in clients:
        c.subscribe("rec:all")
    for n in range(100):
        four.publish("rec:all", n)
    for c in clients:
        got = [c.pub()[1] for _ in range(100)]
        assert [p["data"] for p in got] == list(range(100))
        assert [p["offset"] for p in got] == list(range(1, 101))
        c.close()


def test_publishers_on_all_shards_give_one_order(four):
    """8 publishers at once: all subscribers see the same sequence, each publisher's own order kept."""
    subs = [Client(four) for _ in range(8)]
    for c in subs:
        c.subscribe("rec:one-order")

    def work(name):
        c = Client(four)
        c.subscribe("rec:other")
        for n in range(50):
            c.publish("rec:one-order", [name, n])
        c.close()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    seen = [[tuple(c.pub()[1]["data"]) for _ in range(400)] for c in subs]
    for t in threads:
        t.join()
    assert all(s == seen[0] for s in seen)
    for name in range(8):
        assert [n for who, n in seen[0] if who == name] == list(range(50))
    for c in subs:
        c.close()


def test_reply_comes_after_the_own_copy(four):
    """A publisher that subscribes gets its publication before the reply (design.md 4), wherever the channel lives."""
    c = Client(four)
    for n in range(40):
        channel = f"own{n}"
        c.subscribe(channel)
        i = c.post("publish", channel=channel, data=n)
        order = []
        while len(order) < 2:
            for line in c.ws.recv().split("\n"):
                m = json.loads(line)
                order.append("push" if "push" in m else "reply" if m.get("id") == i else "?")
        assert order == ["push", "reply"]
    c.close()


def test_subscribe_reply_comes_before_the_first_publication_without_gap(four):
    """Subscribing while others publish: offset of the reply and the first push are neighbours."""
    stop = threading.Event()

    def flood():
        c = Client(four)
        n = 0
        while not stop.is_set():
            c.publish("rec:gap", n)
            n += 1
        c.close()

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(60):
            c = Client(four)
            top = c.subscribe("rec:gap").get("offset", 0)
            offsets = [c.pub()[1]["offset"] for _ in range(5)]
            assert offsets == list(range(top + 1, top + 6))
            c.close()
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_recovery_while_others_publish_has_no_hole_and_no_double(four):
    stop = threading.Event()

    def flood():
        c = Client(four)
        n = 0
        while not stop.is_set():
            c.publish("rec:hole", n)
            n += 1
            stop.wait(0.002)
        c.close()

    t = threading.Thread(target=flood)
    c = Client(four)
    sub = c.subscribe("rec:hole")
    last, epoch = sub.get("offset", 0), sub["epoch"]
    t.start()
    rng = random.Random(7)
    recoveries = 0
    try:
        for _ in range(40):
            for _ in range(rng.randrange(4)):
                p = c.pub()[1]
                assert p["offset"] == last + 1
                last += 1
            c.close()
            if rng.random() < 0.5:
                four.until(lambda: four.api("history", channel="rec:hole", limit=0)["offset"] > last)
            c = Client(four)
            sub = c.subscribe("rec:hole", recover=True, offset=last, epoch=epoch)
            assert sub["recovered"] is True and sub["epoch"] == epoch
            for p in sub.get("publications", []):
                assert p["offset"] == last + 1
                last += 1
            recoveries += len(sub.get("publications", [])) > 0
        p = c.pub()[1]
        assert p["offset"] == last + 1
    finally:
        stop.set()
        t.join()
    assert recoveries > 5
    c.close()


def test_presence_over_shards(four):
    clients = [Client(four) for _ in range(16)]
    for c in clients:
        c.subscribe("room:presence")
    got = clients[0].call("presence", channel="room:presence")["presence"]
    assert set(got) == {c.id for c in clients}
    assert clients[5].call("presence_stats", channel="room:presence") == {"num_clients": 16, "num_users": 1}
    assert four.api("presence_stats", channel="room:presence") == {"num_clients": 16, "num_users": 1}
    for c in clients[8:]:
        c.close()
    four.until(lambda: four.api("presence_stats", channel="room:presence")["num_clients"] == 8)
    for c in clients[:8]:
        c.close()
    four.until(lambda: four.api("presence_stats", channel="room:presence")["num_clients"] == 0)


def test_join_and_leave_reach_all_shards_once(four):
    watchers = [Client(four) for _ in range(8)]
    for i, w in enumerate(watchers):
        w.subscribe("room:joins")
        for other in watchers[:i + 1]:
            assert other.push()["join"]["info"]["client"] == w.id
    late = Client(four)
    late.subscribe("room:joins")
    for w in watchers:
        assert w.push()["join"]["info"]["client"] == late.id
    late.close()
    for w in watchers:
        assert w.push()["leave"]["info"]["client"] == late.id
        w.quiet(0.02)
    for w in watchers:
        w.close()


def test_info_and_channels_sum_over_shards(four):
    clients = [Client(four) for _ in range(12)]
    for n, c in enumerate(clients):
        c.subscribe(f"sum{n % 3}")
    info = four.api("info")["nodes"]
    assert len(info) == 1 and info[0]["num_clients"] >= 12 and info[0]["num_channels"] >= 3
    channels = four.api("channels", pattern="sum*")["channels"]
    assert {k: v["num_clients"] for k, v in channels.items()} == {"sum0": 4, "sum1": 4, "sum2": 4}
    for c in clients:
        c.close()
    four.until(lambda: four.api("channels", pattern="sum*")["channels"] == {})


def test_api_reaches_a_user_on_every_shard(four):
    clients = [Client(four, token=jwt(sub="everywhere")) for _ in range(12)]
    four.api("subscribe", user="everywhere", channel="news")
    for c in clients:
        assert "subscribe" in c.push()
    four.publish("news", 1)
    for c in clients:
        assert c.pub() == ("news", {"data": 1})
    four.api("unsubscribe", user="everywhere", channel="news")
    for c in clients:
        assert c.push()["unsubscribe"]["code"] == 2000
    four.api("disconnect", user="everywhere")
    for c in clients:
        assert c.closed() == (3503, "force disconnect")


def test_unsubscribe_by_the_api_takes_effect_before_it_answers(four):
    """reliability.md A9: nothing that is published after the answer reaches the client."""
    c = Client(four, token=jwt(sub="a9"))
    for n in range(100):
        c.subscribe("a9")
        four.publish("a9", n)
        four.api("unsubscribe", user="a9", channel="a9")
        four.publish("a9", "late")
        push = c.push()
        if "pub" in push:                                    # on its way from another shard, it may also be overtaken
            assert push["pub"]["data"] == n
            push = c.push()
        assert push["unsubscribe"]["code"] == 2000
    c.quiet(0.2)
    c.close()


def test_many_channels_many_clients_random_walk(four):
    """Random subscribe, unsubscribe, publish, reconnect over 30 channels; each client's view is checked against a model."""
    rng = random.Random(11)
    clients, model = [], []
    for _ in range(10):
        clients.append(Client(four))
        model.append({})
    top = {f"rec:walk{n}": 0 for n in range(30)}
    for ch in top:
        top[ch] = four.api("history", channel=ch, limit=0).get("offset", 0)
    for step in range(600):
        i = rng.randrange(len(clients))
        ch = rng.choice(list(top))
        what = rng.random()
        if what < 0.35:
            if ch in model[i]:
                clients[i].call("unsubscribe", channel=ch)
                del model[i][ch]
            else:
                sub = clients[i].subscribe(ch)
                assert sub.get("offset", 0) == top[ch]
                model[i][ch] = top[ch]
        elif what < 0.95:
            top[ch] += 1
            four.publish(ch, step)
            for c, m in zip(clients, model):
                if ch in m:
                    got, pub = c.pub()
                    assert (got, pub["offset"], pub["data"]) == (ch, top[ch], step)
                    m[ch] = top[ch]
        else:
            clients[i].close()
            clients[i], model[i] = Client(four), {}
    for c in clients:
        c.quiet(0.02)
        c.close()
