"""Clients without a WebSocket: npm's unmodified `centrifuge` over HTTP streams and SSE, curl on the unidirectional ones. On four shards,
so that most POSTs to /emulation land on another one than the session's."""
import json
import os
import shutil
import socket
import subprocess

import pytest

from harness import NODE_PATH, WAIT, config, until

NODE, CURL = shutil.which("node"), shutil.which("curl")
needs_node = pytest.mark.skipif(not NODE or not os.path.isdir(os.path.join(NODE_PATH, "centrifuge")), reason="node or its packages are not installed")
needs_curl = pytest.mark.skipif(not CURL, reason="curl is not installed")


def streams(**over):
    return config(threads=4, sse={"enabled": True}, http_stream={"enabled": True}, uni_sse={"enabled": True}, uni_http_stream={"enabled": True},
                  **over)


@pytest.fixture(scope="module")
def server(module_start):
    return module_start(cfg=streams())


CHAT = """
    const { Centrifuge } = require('centrifuge');
    const transport = process.argv[1], base = process.argv[2], protocol = process.argv[3];
    const Client = protocol === 'protobuf' ? require('centrifuge/build/protobuf').Centrifuge : Centrifuge;
    const c = new Client([{ transport, endpoint: base + '/connection/' + transport }], { emulationEndpoint: base + '/emulation',
        fetch: globalThis.fetch, readableStream: globalThis.ReadableStream, eventsource: globalThis.EventSource });
    const encode = x => protocol === 'protobuf' ? new TextEncoder().encode(JSON.stringify(x)) : x;
    const decode = x => protocol === 'protobuf' ? JSON.parse(new TextDecoder().decode(x)) : x;
    const name = 'chat-' + transport + '-' + protocol;
    const sub = c.newSubscription(name), got = [];
    sub.on('publication', ctx => {
        got.push(decode(ctx.data).n);
        if (got.length < 50) return;
        console.log(JSON.stringify(got));
        c.on('disconnected', () => process.exit(0));
        c.disconnect();
    });
    sub.on('subscribed', async () => { for (let n = 0; n < 50; n++) await sub.publish(encode({ n })); });
    c.on('error', e => console.error(JSON.stringify(e)));
    sub.subscribe();
    c.connect();
"""


@needs_node
@pytest.mark.parametrize("protocol", ["json", "protobuf"])
def test_centrifuge_over_http_stream(server, protocol):
    r = subprocess.run([NODE, "-e", CHAT, "http_stream", f"http://127.0.0.1:{server.port}", protocol], capture_output=True, text=True,
                       timeout=60, env={**os.environ, "NODE_PATH": NODE_PATH})
    assert r.returncode == 0, r.stdout + r.stderr
    assert json.loads(r.stdout) == list(range(50))


def read_lines(proc, n):
    return [proc.stdout.readline() for _ in range(n)]


@needs_curl
def test_curl_listens_to_a_unidirectional_sse(server):
    p = subprocess.Popen([CURL, "-sN", "--max-time", "30", "-G", f"http://127.0.0.1:{server.port}/connection/uni_sse",
                          "--data-urlencode", 'cf_connect={"subs":{"uni-sse":{}}}'], stdout=subprocess.PIPE, text=True)
    try:
        start_line, hello, _ = read_lines(p, 3)
        assert start_line.strip() == "" and "session" in json.loads(hello.removeprefix("data: "))["connect"]
        server.publish("uni-sse", {"n": 1})
        assert json.loads(read_lines(p, 1)[0].removeprefix("data: ")) == {"channel": "uni-sse", "pub": {"data": {"n": 1}}}
    finally:
        p.terminate()
        p.wait(10)


class Stream:
    """an HTTP stream by hand"""

    def __init__(self, server, path="/connection/http_stream", first='{"id":1,"connect":{}}'):
        self.server = server
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT)
        self.sock.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(first)}\r\n\r\n{first}".encode())
        self.file = self.sock.makefile("rb")
        assert b" 200 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass
        self.buf = b""
        self.hello = self.recv()["connect"]

    def recv(self):
        """-> the next line; None at the end"""
        while b"\n" not in self.buf:
            n = int(self.file.readline(), 16)
            if n == 0:
                return None
            self.buf += self.file.read(n)
            self.file.readline()
        line, self.buf = self.buf.split(b"\n", 1)
        return json.loads(line)

    def say(self, *commands, session=None, node=None):
        body = json.dumps({"session": session or self.hello["session"], "node": node or self.hello["node"],
                           "data": "\n".join(json.dumps(c) for c in commands)})
        return self.server.http("POST", "/emulation", body)[0]


def test_commands_find_their_session_from_any_shard(server):
    s = Stream(server)
    for n in range(2, 60):                                  # each a fresh connection: the kernel spreads them over the shards
        assert s.say({"id": n, "publish": {"channel": "other", "data": n}}) == 204
        assert s.recv()["id"] == n


def test_commands_sent_at_once_are_all_answered(server):
    s = Stream(server)
    assert s.say(*({"id": n, "subscribe": {"channel": f"many-{n}"}} for n in range(2, 42))) == 204
    assert s.say({"id": 42, "publish": {"channel": "other", "data": 1}}) == 204
    assert [s.recv()["id"] for _ in range(41)] == list(range(2, 43))


def test_unknown_node_and_session(server):
    s = Stream(server)
    assert s.say({}, node="00000000-0000-4000-8000-000000000000") == 404
    assert s.say({"id": 1, "connect": {}}, session="00000000-0000-4000-8000-000000000000") == 204
    assert server.http("POST", "/emulation", "x" * 70000)[0] == 413


def test_client_that_vanishes_is_gone(start):
    server = start(cfg=streams())
    s = Stream(server)
    assert server.api("info")["nodes"][0]["num_clients"] == 1
    s.file.close()
    s.sock.close()
    until(lambda: server.api("info")["nodes"][0].get("num_clients", 0) == 0)


def test_reader_that_takes_nothing_is_let_go(start):
    server = start(cfg=streams(client={"queue_max_size": 100000}))
    s = Stream(server, first='{"id":1,"connect":{}}')
    assert s.say({"id": 2, "subscribe": {"channel": "flood"}}) == 204
    assert s.recv()["id"] == 2
    for _ in range(400):
        server.publish("flood", "x" * 30000)
    until(lambda: server.api("info")["nodes"][0].get("num_clients", 0) == 0)


def test_goodbye_at_the_end_of_the_server(start):
    server = start(cfg=streams())
    s = Stream(server)
    server.stop()
    assert s.recv() == {"push": {"disconnect": {"code": 3001, "reason": "shutdown"}}}
    assert s.recv() is None
