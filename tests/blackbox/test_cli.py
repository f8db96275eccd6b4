"""peal pub, sub and token against a running server, peal echo, and the other small verbs."""
import socket
import subprocess
import time

import pytest

from harness import KEY, PEAL, SECRET, Client, Ws, config, frame, free_port, peal, until


def test_pub_reaches_a_subscriber(server):
    c = Client(server)
    c.subscribe("rec:cli")
    r = peal("pub", "--url", f"http://127.0.0.1:{server.port}", "--key", KEY, "rec:cli", '{"text":"hello"}')
    assert r.returncode == 0, r.stderr
    assert c.pub()[1]["data"] == {"text": "hello"}
    c.close()


def test_pub_with_a_wrong_key_fails(server):
    r = peal("pub", "--url", f"http://127.0.0.1:{server.port}", "--key", "wrong", "rec:cli", "1")
    assert r.returncode != 0 and r.stderr


def test_pub_to_nobody_fails():
    r = peal("pub", "--url", f"http://127.0.0.1:{free_port()}", "--key", KEY, "news", "1")
    assert r.returncode != 0 and r.stderr


def test_sub_prints_publications(server, tmp_path):
    p = subprocess.Popen([PEAL, "sub", "--url", f"ws://127.0.0.1:{server.port}/connection/websocket", "rec:clisub"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: "rec:clisub" in server.api("channels")["channels"])
        server.publish("rec:clisub", {"n": 1})
        server.publish("rec:clisub", {"n": 2})
        lines = [p.stdout.readline() for _ in range(2)]
        assert '"n":1' in lines[0].replace(" ", "") and '"n":2' in lines[1].replace(" ", "")
    finally:
        p.terminate()
        p.wait(10)
        p.stdout.close()
        p.stderr.close()


def test_token_lets_in_the_user(server):
    r = peal("token", "--secret", SECRET, "--user", "42", "--ttl", "60s")
    assert r.returncode == 0, r.stderr
    c = Client(server, token=r.stdout.strip())
    assert c.hello["expires"] is True and 55 <= c.hello["ttl"] <= 60
    c.subscribe("room:cli")
    assert c.push()["join"]["info"]["user"] == "42"
    c.close()


def test_token_takes_the_secret_from_a_config_file(server):
    r = peal("token", "--config", server.path, "--user", "42")
    assert r.returncode == 0, r.stderr
    Client(server, token=r.stdout.strip()).close()


@pytest.fixture(scope="module")
def echo():
    port = free_port()
    p = subprocess.Popen([PEAL, "echo", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    class Echo:
        tls = False

        @staticmethod
        def connect(**_):
            return socket.create_connection(("127.0.0.1", port), timeout=10)

    end = time.monotonic() + 10
    while True:
        try:
            Echo.connect().close()
            break
        except OSError:
            assert time.monotonic() < end and p.poll() is None
            time.sleep(0.05)
    yield Echo
    p.terminate()
    assert p.wait(10) in (0, -15)                          # nothing to say goodbye to: a signal may simply end it


def test_echo_sends_back_text_and_binary(echo):
    ws = Ws(echo, path="/")
    ws.raw(frame("hällo".encode()) + frame(bytes(range(256)), op=2))
    assert ws.recv_frame() == (1, "hällo".encode())
    assert ws.recv_frame() == (2, bytes(range(256)))
    ws.close()


def test_echo_takes_messages_of_16_mib(echo):
    ws = Ws(echo, path="/")
    data = b"x" * (16 << 20)
    ws.raw(frame(data, op=2))
    op, got = ws.recv_frame(30)
    assert op == 2 and got == data
    ws.close()


def test_echo_joins_fragments(echo):
    ws = Ws(echo, path="/")
    ws.raw(frame(b"a", fin=False) + frame(b"b", op=0, fin=False) + frame(b"c", op=0))
    assert ws.recv_frame() == (1, b"abc")
    ws.close()


def test_check_history_finds_a_silent_gap(tmp_path):
    r = peal("check", "history", tmp_path / "none")
    assert r.returncode != 0 and "none" in r.stderr + r.stdout


def test_check_sizes_prints_the_budgets():
    r = peal("check", "--sizes")
    assert r.returncode == 0 and "pl_conn" in r.stdout and "pl_sess" in r.stdout


def test_unknown_option_is_told():
    r = peal("pub", "--nonsense")
    assert r.returncode != 0 and "nonsense" in r.stderr


def test_bench_delivers_everything(start):
    """The load tool in its shortest form, as a test of itself: all subscribers get all messages."""
    s = start(cfg=config(client={"insecure": True}))
    r = peal("bench", "fanout", "--url", f"ws://127.0.0.1:{s.port}/connection/websocket", "--clients", "20", "--messages", "50", "--key", KEY, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
