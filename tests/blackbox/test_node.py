"""npm `ws` and `wscat`: a person types JSON and gets JSON."""
import os
import select
import shutil
import subprocess

import pytest

from harness import NODE_PATH, config

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE or not os.path.isdir(os.path.join(NODE_PATH, "ws")), reason="node or its packages are not installed")


def node(script, *args, timeout=30):
    r = subprocess.run([NODE, "-e", script, *args], capture_output=True, text=True, timeout=timeout, env={**os.environ, "NODE_PATH": NODE_PATH})
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


def test_ws_package_talks(server):
    out = node("""
        const WebSocket = require('ws');
        const ws = new WebSocket(process.argv[1]);
        const seen = [];
        ws.on('open', () => ws.send('{"id":1,"connect":{}}\\n{"id":2,"subscribe":{"channel":"ws"}}\\n{"id":3,"publish":{"channel":"ws","data":{"a":1}}}'));
        ws.on('message', m => {
            for (const line of m.toString().split('\\n')) seen.push(JSON.parse(line));
            if (seen.length >= 4) { console.log(JSON.stringify(seen.map(x => Object.keys(x)[0] === 'id' ? x.id : 'push'))); ws.close(1000); }
        });
        ws.on('close', code => { console.log('close', code); });
    """, f"ws://127.0.0.1:{server.port}/connection/websocket")
    assert out.split("\n")[0] == '[1,2,"push",3]' and "close 1000" in out


def test_ws_package_with_compression_and_a_ping(start):
    s = start(cfg=config(websocket={"compression": True}))
    out = node("""
        const WebSocket = require('ws');
        const ws = new WebSocket(process.argv[1], { perMessageDeflate: true });
        ws.on('open', () => { console.log('extensions', ws.extensions); ws.ping('abc'); });
        ws.on('pong', d => { console.log('pong', d.toString()); ws.send('{"id":1,"connect":{}}'); });
        ws.on('message', m => { console.log('message', JSON.parse(m).id); ws.close(); });
        ws.on('close', () => process.exit(0));
    """, f"ws://127.0.0.1:{s.port}/connection/websocket")
    assert "extensions permessage-deflate" in out and "pong abc" in out and "message 1" in out


class Wscat:
    """wscat as a person uses it: connected, with a first line; more may be typed."""

    def __init__(self, server, first):
        url = f"ws://127.0.0.1:{server.port}/connection/websocket"
        self.proc = subprocess.Popen([NODE, os.path.join(NODE_PATH, "wscat", "bin", "wscat"), "--no-color", "-w", "-1", "-c", url, "-x", first],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.seen = b""

    def read_until(self, word):
        while word.encode() not in self.seen:
            assert select.select([self.proc.stdout], [], [], 15)[0], f"{word!r} did not come: {self.seen}"
            d = os.read(self.proc.stdout.fileno(), 4096)
            assert d, f"{word!r} did not come: {self.seen}"
            self.seen += d

    def type(self, text):
        self.proc.stdin.write(text.encode() + b"\n")
        self.proc.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()


def test_typing_json_into_wscat(server):
    """J4: connect with plain wscat, type, read."""
    with Wscat(server, '{"id":1,"connect":{}}') as w:
        w.read_until('"client"')
        w.type('{"id":2,"subscribe":{"channel":"typed"}}')
        w.read_until('{"id":2,"subscribe":{}}')
        server.publish("typed", "from the API")
        w.read_until('"from the API"')


def test_nonsense_typed_into_wscat_is_answered_by_a_close_code(server):
    with Wscat(server, "hello?") as w:
        w.read_until("3501")
