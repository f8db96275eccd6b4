"""Configuration: what is refused and how it is told, precedence of flags, environment and file, safe defaults."""
import json
import os
import socket
import subprocess
import time

import pytest

from harness import PEAL, Client, Server, config, free_port, peal


def check(tmp_path, text, *args, env=None):
    """`peal check config` -> (status, everything printed)"""
    path = tmp_path / "c.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    base = {k: v for k, v in os.environ.items() if not k.startswith(("PEAL_", "CENTRIFUGO_"))}
    r = subprocess.run([PEAL, "check", "config", str(path), *args], capture_output=True, text=True, timeout=20, env={**base, **(env or {})})
    return r.returncode, r.stdout + r.stderr


# what is wrong: configuration, words that the message must hold
WRONG = [
    ("unknown key", {"client": {"chanel_limit": 5}}, ["client.chanel_limit", "channel_limit"]),
    ("unknown section", {"clients": {}}, ["clients"]),
    ("unknown key in a namespace", {"channel": {"namespaces": [{"name": "news", "histroy_size": 1}]}}, ["histroy_size", "history_size"]),
    ("text for a number", {"client": {"channel_limit": "many"}}, ["client.channel_limit", "many"]),
    ("number for text", {"http_api": {"key": 5}}, ["http_api.key"]),
    ("number for a flag", {"client": {"insecure": 5}}, ["client.insecure"]),
    ("object for a number", {"client": {"channel_limit": {}}}, ["client.channel_limit"]),
    ("text for a list", {"client": {"allowed_origins": 5}}, ["client.allowed_origins"]),
    ("port too big", {"http_server": {"port": 70000}}, ["http_server.port", "70000", "65535"]),
    ("negative limit", {"client": {"channel_limit": -1}}, ["client.channel_limit", "-1", "0"]),
    ("fraction", {"client": {"channel_limit": 1.5}}, ["client.channel_limit"]),
    ("duration without unit", {"client": {"ping_interval": "25"}}, ["client.ping_interval", "25"]),
    ("nonsense duration", {"client": {"ping_interval": "soon"}}, ["client.ping_interval", "soon"]),
    ("ping not longer than pong", {"client": {"ping_interval": "5s", "pong_timeout": "5s"}}, ["ping_interval", "pong_timeout"]),
    ("bad address list", {"http_server": {"trusted_proxies": ["10.0.0.0/33"]}}, ["trusted_proxies", "10.0.0.0/33"]),
    ("bits behind the prefix", {"http_api": {"allow": ["10.0.0.1/8"]}}, ["http_api.allow", "10.0.0.1/8"]),
    ("history size without ttl", {"channel": {"without_namespace": {"history_size": 5}}}, ["history_ttl"]),
    ("history ttl without size", {"channel": {"namespaces": [{"name": "news", "history_ttl": "5s"}]}}, ["history_size", "news"]),
    ("recovery without history", {"channel": {"namespaces": [{"name": "news", "force_recovery": True}]}}, ["force_recovery", "history"]),
    ("namespace twice", {"channel": {"namespaces": [{"name": "news"}, {"name": "news"}]}}, ["news"]),
    ("namespace with a bad name", {"channel": {"namespaces": [{"name": "n:s"}]}}, ["n:s"]),
    ("namespace without a name", {"channel": {"namespaces": [{"presence": True}]}}, ["name"]),
    ("unknown engine", {"engine": {"type": "tarantool"}}, ["engine.type", "tarantool", "memory"]),
    ("unknown log level", {"log": {"level": "loud"}}, ["log.level", "loud"]),
    ("bad regular expression", {"channel": {"namespaces": [{"name": "news", "channel_regex": "(["}]}}, ["channel_regex"]),
    ("personal namespace that is not there", {"client": {"subscribe_to_user_personal_channel": {"enabled": True, "personal_channel_namespace": "pers"}}},
     ["personal_channel_namespace", "pers"]),
    ("prefix without slash", {"http_api": {"handler_prefix": "api"}}, ["http_api.handler_prefix"]),
    ("two endpoints on one path", {"http_api": {"handler_prefix": "/x"}, "health": {"enabled": True, "handler_prefix": "/x"}}, ["/x"]),
    ("key twice", '{"client": {"channel_limit": 5, "channel_limit": 6}}', ["channel_limit"]),
    ("not JSON", "{", ["c.json"]),
    ("empty file", "", ["c.json"]),
    ("list instead of an object", "[]", ["c.json"]),
]


@pytest.mark.parametrize("name,cfg,words", WRONG, ids=[w[0] for w in WRONG])
def test_refused_with_file_key_value_and_bound(tmp_path, name, cfg, words):
    status, text = check(tmp_path, cfg)
    assert status == 1, text
    for word in words + ["c.json"]:
        assert word in text, f"{word!r} is not told: {text}"


def test_every_fault_is_told_not_only_the_first(tmp_path):
    status, text = check(tmp_path, {"client": {"channel_limit": -1, "nonsense": 1}, "log": {"level": "loud"}})
    assert status == 1 and all(word in text for word in ("channel_limit", "nonsense", "loud"))


def test_fault_names_its_line(tmp_path):
    status, text = check(tmp_path, '{\n "client": {\n  "nonsense": 1\n }\n}\n')
    assert status == 1 and "c.json:3" in text


def test_server_refuses_to_start_with_a_wrong_file(tmp_path):
    s = Server(tmp_path / "wrong", {"client": {"nonsense": 1}}, wait=False)
    assert s.wait_until_end() != 0
    assert "client.nonsense" in s.log_text()


def test_keys_that_only_centrifugo_has_are_warned_about(tmp_path):
    status, text = check(tmp_path, {"grpc_api": {"enabled": True}, "webtransport": {"enabled": True}})
    assert status == 0, text
    assert "grpc_api" in text and "webtransport" in text


def test_pro_keys_are_warned_about(tmp_path):
    status, text = check(tmp_path, {"channel": {"without_namespace": {"client_publish_debounce_interval": "1s"}}})
    assert status == 0 and "client_publish_debounce_interval" in text


def test_good_file_says_nothing_bad(tmp_path):
    status, text = check(tmp_path, config())
    assert status == 0 and "error" not in text.lower()


def test_secrets_are_not_printed(tmp_path):
    _, text = check(tmp_path, {"http_api": {"key": "s3cr3t-value", "nonsense": 1}, "client": {"token": {"hmac_secret_key": 77123}}})
    assert "s3cr3t-value" not in text and "77123" not in text


# ---- precedence
def port_of(start, tmp_path, file=None, env=None, args=()):
    """starts with these sources and finds which of the candidate ports answers"""
    s = Server(tmp_path / f"p{time.monotonic_ns()}", {}, port=file, env=env, args=args, wait=False)
    start.servers.append(s)
    return s


def answers(port, s):
    end = time.monotonic() + 10
    while time.monotonic() < end and s.is_alive():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def test_flag_over_peal_over_centrifugo_over_file(start, tmp_path):
    a, b, c, d = (free_port() for _ in range(4))
    assert answers(a, port_of(start, tmp_path, file=a))
    assert answers(b, port_of(start, tmp_path, file=a, env={"CENTRIFUGO_HTTP_SERVER_PORT": str(b)}))
    assert answers(c, port_of(start, tmp_path, file=a, env={"CENTRIFUGO_HTTP_SERVER_PORT": str(b), "PEAL_HTTP_SERVER_PORT": str(c)}))
    env = {"CENTRIFUGO_HTTP_SERVER_PORT": str(b), "PEAL_HTTP_SERVER_PORT": str(c)}
    assert answers(d, port_of(start, tmp_path, file=a, env=env, args=[f"--http_server.port={d}"]))


def test_list_and_flag_from_the_environment(start, tmp_path):
    s = Server(tmp_path / "env", {}, env={"PEAL_CLIENT_ALLOWED_ORIGINS": "https://a.example https://b.example",
                                          "PEAL_CLIENT_ALLOW_ANONYMOUS_CONNECT_WITHOUT_TOKEN": "true"})
    start.servers.append(s)
    Client(s, headers={"Origin": "https://b.example"}).close()


def test_namespaces_by_name_from_the_environment(start, tmp_path):
    s = Server(tmp_path / "env", {"http_api": {"key": "apikey"}}, env={
        "CENTRIFUGO_CHANNEL_NAMESPACES": "news", "CENTRIFUGO_CHANNEL_NAMESPACES_NEWS_HISTORY_SIZE": "5",
        "CENTRIFUGO_CHANNEL_NAMESPACES_NEWS_HISTORY_TTL": "60s"})
    start.servers.append(s)
    assert s.publish("news:a", 1)["offset"] == 1


def test_unknown_variable_is_told(start, tmp_path):
    s = Server(tmp_path / "env", {}, env={"PEAL_CLIENT_CHANEL_LIMIT": "5"}, wait=False)
    s.wait_until_end()
    assert s.proc.returncode != 0 and "PEAL_CLIENT_CHANEL_LIMIT" in s.log_text()


def test_wrong_flag_is_told():
    r = peal("serve", "--client.nonsense=1")
    assert r.returncode != 0 and "client.nonsense" in r.stderr + r.stdout


def test_missing_file_is_told(tmp_path):
    r = peal("serve", "--config", tmp_path / "none.json")
    assert r.returncode != 0 and "none.json" in r.stderr + r.stdout


# ---- defaults
def test_without_a_file_it_listens_on_loopback_only_and_lets_nobody_in(start, tmp_path):
    port = free_port()
    log = open(tmp_path / "log", "wb")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PEAL_", "CENTRIFUGO_"))}
    p = subprocess.Popen([PEAL, "serve", f"--http_server.port={port}"], stdout=log, stderr=log, cwd=tmp_path, env=env)
    try:
        class Here:
            tls = False
        here = Here()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        listening = [line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A"]
        assert f"0100007F:{port:04X}" in listening and f"00000000:{port:04X}" not in listening
        here.connect = lambda **_: socket.create_connection(("127.0.0.1", port), timeout=5)
        c = Client(here, connect=False)
        c.post("connect")
        assert c.closed() == (3501, "bad request")
    finally:
        p.terminate()
        assert p.wait(10) == 0


def test_publishing_and_subscribing_by_clients_is_off_by_default(start):
    s = start(cfg={"client": {"allow_anonymous_connect_without_token": True}, "http_api": {"key": "apikey"}})
    c = Client(s)
    assert c.ask("subscribe", channel="news")["error"]["code"] == 103
    assert c.ask("publish", channel="news", data=1)["error"]["code"] == 103
    assert c.ask("history", channel="news")["error"]["code"] == 108
    assert c.ask("presence", channel="news")["error"]["code"] == 108
    c.close()


def test_insecure_mode_lets_everything_through(start):
    s = start(cfg={"client": {"insecure": True}, "http_api": {"insecure": True}})
    c = Client(s)
    c.subscribe("news")
    c.publish("news", 1)
    assert c.pub()[1]["data"] == 1
    assert s.http("POST", "/api/publish", '{"channel":"news","data":2}')[0] == 200
    c.close()


def test_api_without_a_configured_key_is_401(start):
    s = start(cfg={"client": {"insecure": True}})
    for key in ("", "x", "apikey"):
        assert s.http("POST", "/api/info", "{}", {"X-API-Key": key})[0] == 401


def test_version_and_help():
    r = peal("version")
    assert r.returncode == 0 and any(ch.isdigit() for ch in r.stdout)
    r = peal("help")
    assert r.returncode == 0 and "serve" in r.stdout
    r = peal("nonsense")
    assert r.returncode != 0 and "nonsense" in r.stderr + r.stdout
