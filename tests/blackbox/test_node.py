"""npm `ws` and `wscat`: a person types JSON and gets JSON."""
import os
import pty
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
    """wscat as a person uses it: on a terminal; once its prompt is there, lines are typed."""

    def __init__(self, server):
        url = f"ws://127.0.0.1:{server.port}/connection/websocket"
        self.terminal, theirs = pty.openpty()
        self.proc = subprocess.Popen([NODE, os.path.join(NODE_PATH, "wscat", "bin", "wscat"), "--no-color", "-c", url], stdin=theirs, stdout=theirs,
                                     stderr=theirs, env={**os.environ, "TERM": "dumb"}, start_new_session=True)
        os.close(theirs)
        self.seen = b""
        self.read_until("> ")

    def read_until(self, word):
        while word.encode() not in self.seen:
            assert select.select([self.terminal], [], [], 15)[0], f"{word!r} did not come: {self.seen}"
            try:
                self.seen += os.read(self.terminal, 4096)
            except OSError:                                   # the program has ended
                raise AssertionError(f"{word!r} did not come: {self.seen}") from None

    def type(self, text):
        os.write(self.terminal, text.encode() + b"\r")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        os.close(self.terminal)


def test_typing_json_into_wscat(server):
    """J4: connect with plain wscat, type, read."""
    with Wscat(server) as w:
        w.type('{"id":1,"connect":{}}')
        w.read_until('"client"')
        w.type('{"id":2,"subscribe":{"channel":"typed"}}')
        w.read_until('{"id":2,"subscribe":{}}')
        server.publish("typed", "from the API")
        w.read_until('"from the API"')


def test_nonsense_typed_into_wscat_is_answered_by_a_close_code(server):
    with Wscat(server) as w:
        w.type("hello?")
        w.read_until("3501")
