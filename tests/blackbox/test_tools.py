"""The tools against a running server: what peal bench logs, peal check history judges; peal sub comes back by itself."""
import json
import subprocess
import struct

import pytest

from harness import KEY, PEAL, SECRET, config, peal, until

DELIVER = 5                                             # kinds of records: lib/histlog.h


@pytest.fixture(scope="module")
def quiet(module_start):
    """a server whose clients need tokens"""
    return module_start(cfg=config(client={"allow_anonymous_connect_without_token": False}))


def bench(server, *words):
    r = peal("bench", *words, "--url", f"ws://127.0.0.1:{server.port}/connection/websocket", "--key", KEY, "--secret", SECRET, "--pid",
             server.proc.pid, "--json", timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    return json.loads(r.stdout)


@pytest.mark.parametrize("words, key", [
    ("idle -c 50 --seconds 0", "connect_cpu_us"), ("idle -c 50 --channels 50 --seconds 1", "idle_cpu_percent"),
    ("fanout -c 50 -n 20 --warmup 4", "delivery_cpu_us"), ("fanout -c 30 -n 32 --burst 8 --channels 3", "latency_p99_us"),
    ("publish -n 500 --warmup 50", "publish_cpu_us"), ("publish -c 3 -n 200 --channel rec:p --recoverable", "answer_p95_us"),
    ("latency -c 10 -r 50 --seconds 1", "latency_p50_us"), ("storm -c 40 --missed 20 --channel rec:s", "return_cpu_us"),
])
def test_every_scenario_delivers_and_measures(quiet, words, key):
    got = bench(quiet, *words.split())
    assert got["ok"] is True and got[key] >= 0


def records(path):
    data = path.read_bytes()
    return [data[i:i + 32] for i in range(0, len(data), 32)]


def check(path, recs):
    path.write_bytes(b"".join(recs))
    r = peal("check", "history", "--json", path)
    assert r.returncode in (0, 1), r.stderr
    got = json.loads(r.stdout)
    assert (r.returncode == 0) == (got["violations"] == 0)
    return {k: v for k, v in got.items() if v and k in ("lost_acked", "duplicated", "reordered", "phantom", "leaked", "silent_gaps", "misplaced")}


def test_a_storm_is_judged_clean_and_each_planted_fault_is_named(quiet, tmp_path):
    log, bad = tmp_path / "h", tmp_path / "bad"
    assert bench(quiet, *"storm -c 5 --missed 10 --warmup 5 --channel rec:h --log".split(), log)["recovered"] == 5
    recs = records(log)
    assert check(bad, recs) == {}
    at = [i for i, r in enumerate(recs) if i > 0 and r[0] == DELIVER]
    assert len(at) == 5 * 15
    i = at[len(at) // 2]
    sub = recs[i][4:8]
    later = next(j for j in at if j > i and recs[j][4:8] == sub)
    assert check(bad, recs[:i] + recs[i + 1:]) == {"lost_acked": 1, "silent_gaps": 1}
    assert check(bad, recs[:i] + [recs[i]] + recs[i:]) == {"duplicated": 1}
    assert check(bad, recs[:i] + recs[i + 1:later + 1] + [recs[i]] + recs[later + 1:]) == {"reordered": 1}
    foreign = recs[i][:8] + struct.pack("<Q", 1 << 60) + recs[i][16:]
    assert check(bad, recs[:i + 1] + [foreign] + recs[i + 1:]) == {"phantom": 1}


def lines(process, n):
    return [json.loads(process.stdout.readline()) for _ in range(n)]


@pytest.fixture
def listener(server):
    """starts `peal sub` and ends it"""
    running = []

    def run(*words):
        p = subprocess.Popen([PEAL, "sub", "--url", f"ws://127.0.0.1:{server.port}", *words], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        running.append(p)
        until(lambda: all(w in server.api("channels")["channels"] for w in words if w[0] != "-" and not w.isdigit()))
        return p
    yield run
    for p in running:
        p.kill()
        p.communicate()


def test_sub_comes_back_and_misses_nothing(server, listener):
    p = listener("-n", "6", "rec:back", "plain")
    server.publish("rec:back", 1)
    server.publish("plain", "x")
    assert lines(p, 2) == [{"channel": "rec:back", "offset": 1, "data": 1}, {"channel": "plain", "data": "x"}]
    server.api("disconnect", user="", disconnect={"code": 4000, "reason": "come back"})
    for n in (2, 3, 4, 5):
        server.publish("rec:back", n)
    assert [m["offset"] for m in lines(p, 4)] == [2, 3, 4, 5]
    assert p.wait(10) == 0
    assert "disconnected: 4000 come back" in p.stderr.read()


def test_sub_ends_when_the_server_does_not_want_it(server, listener):
    p = listener("rec:no")
    server.api("disconnect", user="")
    assert p.wait(10) == 1
    assert "3503" in p.stderr.read()


def test_sub_tells_a_refused_channel(server):
    r = peal("sub", "--url", f"ws://127.0.0.1:{server.port}", "closed:a")
    assert r.returncode == 1 and "103 permission denied" in r.stderr


def test_pub_takes_standard_input_and_text(server, listener):
    p = listener("-n", "2", "rec:in")
    url = ("--url", f"http://127.0.0.1:{server.port}", "--key", KEY)
    assert peal("pub", *url, "rec:in", "-", input='{"a": [1, 2]}\n').returncode == 0
    r = peal("pub", *url, "--text", "rec:in", 'say "hi"')
    assert r.returncode == 0 and json.loads(r.stdout)["offset"] == 2
    assert [m["data"] for m in lines(p, 2)] == [{"a": [1, 2]}, 'say "hi"']
    r = peal("pub", *url, "rec:in", "{")
    assert r.returncode == 2 and "not JSON" in r.stderr
    r = peal("pub", *url, "nowhere:a", "1")
    assert r.returncode == 1 and "102" in r.stderr


@pytest.mark.parametrize("words", [
    ("token",), ("token", "-u", "1"), ("token", "-u", "1", "--secret", "s", "--config", "x"), ("token", "-u", "1", "--secret", "s", "-t", "5x"),
    ("token", "-u", "1", "--secret", "s", "--info", "{"), ("pub", "a"), ("pub", "--url", "ftp://x", "a", "1"), ("sub",), ("sub", "a", "a"),
    ("sub", "--url", "http://127.0.0.1", "a"), ("bench",), ("bench", "nonsense"), ("bench", "idle", "--size", "1"), ("check", "history"),
])
def test_wrong_usage_is_told_and_ends_with_2(words):
    r = peal(*words)
    assert r.returncode == 2 and r.stderr.startswith("peal: ") and not r.stdout
