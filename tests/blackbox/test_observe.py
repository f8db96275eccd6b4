"""/health and /metrics, and that what is counted is what happened."""
import json
import re

from harness import KEY, Client, Closed, Ws, config, frame


def test_health(server):
    status, headers, body = server.http("GET", "/health")
    assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", {})


def test_endpoints_are_off_unless_enabled(start):
    s = start(cfg=config(health={"enabled": False}, prometheus={"enabled": False}))
    for path in ("/health", "/metrics", "/admin", "/"):
        assert s.http("GET", path)[0] == 404


LINE = re.compile(r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\["\\n])*",?)*\})? [-+0-9.eInfa]+$')


def test_metrics_are_well_formed_prometheus_text(server):
    status, headers, text = server.http("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    assert text.endswith("\n")
    typed, helped = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            assert name not in typed, f"{name} has two TYPE lines"
            typed[name] = kind
        elif line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        else:
            assert LINE.match(line), line
            name = re.match(r"[\w:]+", line)[0]
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in typed or base in typed, f"{name} has no TYPE"
    assert helped <= set(typed)
    assert len(typed) > 15


def total(server, part, label=""):
    return sum(v for k, v in server.metrics().items() if part in k and label in k)


def gauge(server, part):
    return total(server, part)


def test_counts_follow_clients_and_subscriptions(start):
    s = start()
    names = " ".join(s.metrics())
    assert re.search(r"num_clients\b", names) and re.search(r"num_subscriptions\b", names)
    clients = [Client(s) for _ in range(7)]
    for c in clients:
        c.subscribe("a")
    clients[0].subscribe("b")
    s.until(lambda: (gauge(s, "num_clients"), gauge(s, "num_subscriptions")) == (7, 8))
    assert 2 <= gauge(s, "num_channels") <= 4            # once per shard that has subscribers
    for c in clients:
        c.close()
    s.until(lambda: (gauge(s, "num_clients"), gauge(s, "num_subscriptions"), gauge(s, "num_channels")) == (0, 0, 0))


def test_closes_are_counted_by_code(start):
    s = start()
    ws = Ws(s)
    ws.send("nonsense")
    try:
        ws.recv()
    except Closed as e:
        assert e.code == 3501
    s.until(lambda: total(s, "disconnects", 'code="3501"') == 1)


def test_http_answers_of_the_api_are_counted(start):
    s = start()
    for _ in range(5):
        s.api("info")
    s.http("POST", "/api/publish", "{}", {"X-API-Key": KEY})
    names = s.metrics()
    assert sum(v for k, v in names.items() if "api_command" in k and k.split("{")[0].endswith("count")) >= 5 or \
        sum(v for k, v in names.items() if "api" in k and 'method="info"' in k) >= 5


def test_log_is_json_lines_without_secrets(start):
    secret = "s3cr3t-of-the-test"
    s = start(cfg=config(client={"token": {"hmac_secret_key": secret}}, http_api={"key": "k3y-of-the-test"}, log={"level": "debug"}))
    c = Client(s, connect=False)
    c.post("connect", token="a.b.c")
    assert c.closed()[0] == 3500
    s.stop()
    text = s.log_path.read_text()
    assert secret not in text and "k3y-of-the-test" not in text
    lines = [line for line in text.splitlines() if line]
    assert lines
    for line in lines:
        json.loads(line)


def test_health_fails_nothing_while_clients_flood(server):
    ws = Ws(server)
    for _ in range(200):
        ws.raw(frame(b"x", op=9))
    assert server.http("GET", "/health")[0] == 200
    ws.close()
