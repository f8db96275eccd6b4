#!/usr/bin/env python3
"""Plays .wire transcripts against the simulator and writes down every byte, for the tests that cut conversations.

    tests/wire/resolve.py --simwire build/tests/sim/simwire --out build/tests/sim/scripts [-k recovery] [file or folder ...]

A .wire file holds expectations; a cut at every byte needs plain bytes. So each transcript is played once, interactively, on
the simulator's virtual time and with its fixed seed, checked with replay.py's own matching code, and what was sent and
received is written as a .sim script that `simwire FILE.sim` replays in batch (split: every input cut in two at every byte;
record: frozen at that byte and continued in a fresh node) and compares. Scripts are made at build time, never committed.

The conversation with `simwire --interactive CONFIG`, one line each way; it prints `time UNIX_SECONDS` first:
    open NAME EXT|INT    -> ok                        a TCP connection to the external or internal listener
    send NAME HEX        -> ok                        bytes to the server; it runs until nothing is ready
    eof NAME             -> ok                        the client closes its half
    advance MS           -> ok                        virtual time goes on, due timers run
    recv NAME            -> data HEX|- open|closed    all output since the last recv
    save                 -> ok                        freeze the node, go on in a fresh one from its record
    quit
Anything wrong is answered by `error TEXT`.

A .sim script:  `# TITLE`, `config PATH`, then the lines above without `recv`, and `expect NAME HEX|- open|closed`."""
import argparse, base64, glob, hashlib, http.client, io, json, os, struct, subprocess, sys, urllib.parse, zlib

import replay
from replay import Bad, Conn, Run, Transcript, find_config

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = bytes.fromhex('37fa213d')                    # RFC 6455 5.7's own example
KEY = 'dGhlIHNhbXBsZSBub25jZQ=='                    # and 1.3's
STEP_MS = 50


class Sim:
    """The simulator process, and the script of what was said to it."""

    def __init__(self, simwire, config):
        self.proc = subprocess.Popen([simwire, '--interactive', config], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.script, self.output, self.now = [], {}, 0.0
        word, _, rest = self.line().partition(' ')
        if word != 'time':
            raise Bad('simwire did not tell the time')
        self.now = float(rest)

    def line(self):
        got = self.proc.stdout.readline()
        if not got:
            raise Bad('simwire ended with status %s' % self.proc.wait())
        return got.rstrip('\n')

    def ask(self, text):
        self.proc.stdin.write(text + '\n')
        self.proc.stdin.flush()
        got = self.line()
        if got.startswith('error'):
            raise Bad('simwire: %s: %s' % (text[:60], got))
        return got

    def say(self, text):
        if self.ask(text) != 'ok':
            raise Bad('simwire did not answer ok to ' + text[:60])
        self.script.append(text)

    def advance(self, ms):
        if self.ask('advance %d' % ms) != 'ok':
            raise Bad('simwire did not advance')
        self.now += ms / 1000
        last = self.script[-1].split() if self.script else ['']
        if last[0] == 'advance':                    # nothing came in between: one longer wait says the same
            self.script[-1] = 'advance %d' % (int(last[1]) + ms)
        else:
            self.script.append('advance %d' % ms)

    def recv(self, name):
        word, data, state = self.ask('recv ' + name).split()
        if word != 'data' or state not in ('open', 'closed'):
            raise Bad('simwire: what is ' + word)
        if data != '-' or self.output.get(name) != state:
            self.script.append('expect %s %s %s' % (name, data, state))
            self.output[name] = state
        return b'' if data == '-' else bytes.fromhex(data), state == 'closed'

    def quit(self):
        try:
            self.proc.stdin.write('quit\n')
            self.proc.stdin.close()
        except OSError:
            pass
        try:
            return self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            return self.proc.wait()


class SimWS(Conn):
    """A WebSocket client whose every byte is decided: fixed key, fixed mask, one frame a send."""

    def __init__(self, sim, kind, name, path, headers):
        super().__init__(kind)
        self.sim, self.name, self.buf, self.ended = sim, name, b'', False
        self.parts, self.first, self.frame_pings = [], 0, 'frame_ping' in path
        sim.say('open %s EXT' % name)
        h = {'Host': 'peal.test', 'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': KEY}
        if self.binary and 'protobuf' not in path and 'Sec-WebSocket-Protocol' not in headers:
            h['Sec-WebSocket-Protocol'] = 'centrifuge-protobuf'
        h.update(headers)
        head = 'GET %s HTTP/1.1\r\n%s\r\n' % (path, ''.join('%s: %s\r\n' % x for x in h.items()))
        sim.say('send %s %s' % (name, head.encode().hex()))
        self.raw()
        head, sep, rest = self.buf.partition(b'\r\n\r\n')
        if not sep:
            raise Bad('no answer to the handshake')
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split(' ')[1])
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(':') for x in lines[1:])}
        self.body = '' if self.status == 101 else rest.decode('latin-1')
        self.buf = rest
        if self.status == 101:
            want = base64.b64encode(hashlib.sha1((h['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
            if self.headers.get('sec-websocket-accept') != want:
                raise Bad('wrong Sec-WebSocket-Accept')
            self.parse()

    def raw(self):
        data, closed = self.sim.recv(self.name)
        self.buf += data
        return closed

    def parse(self):
        """moves whole frames from the buffer to the inbox"""
        while True:
            b = self.buf
            if len(b) < 2:
                return
            n, at = b[1] & 127, 2
            if n == 126:
                if len(b) < 4:
                    return
                n, at = struct.unpack('>H', b[2:4])[0], 4
            elif n == 127:
                if len(b) < 10:
                    return
                n, at = struct.unpack('>Q', b[2:10])[0], 10
            if len(b) < at + n:
                return
            a, data, self.buf = b[0], b[at:at + n], b[at + n:]
            op = a & 15
            if b[1] & 128:
                self.inbox.put(('ctl', 'masked frame from the server'))
            if op == 8:
                self.inbox.put(('close', struct.unpack('>H', data[:2])[0] if n > 1 else 1005, data[2:].decode()))
                self.frame(data[:2], 8)
                continue
            if op == 9:
                self.frame(data, 10)
                if self.frame_pings:
                    self.inbox.put(('ctl', 'ping'))
                continue
            if op == 10:
                self.inbox.put(('ctl', 'pong ' + data.decode('latin-1')))
                continue
            if op:
                self.first, self.parts = a, []
            self.parts.append(data)
            if a & 128:
                data = b''.join(self.parts)
                if self.first & 64:
                    data = zlib.decompressobj(-15).decompress(data + b'\0\0\xff\xff')
                try:
                    self.put_binary(data) if self.first & 15 == 2 else self.put_text(data.decode())
                except Exception as e:                      # a frame that cannot be understood is a finding
                    self.inbox.put(('ctl', 'broken frame: %r' % e))

    def take(self, timeout):
        """the next item; virtual time goes on until there is one, or the time is over"""
        left = int(timeout * 1000)
        while True:
            if not self.inbox.empty():
                return self.inbox.get()
            if not self.ended:
                closed = self.raw()
                self.parse()
                if closed:
                    self.ended = True
                    self.inbox.put(('eof',))
                if not self.inbox.empty():
                    continue
            if left <= 0:
                return None
            step = min(STEP_MS, left)
            self.sim.advance(step)
            left -= step

    def frame(self, data, op, first=0x80):
        n = len(data)
        size = bytes([0x80 | n]) if n < 126 else b'\xfe' + struct.pack('>H', n) if n < 65536 else b'\xff' + struct.pack('>Q', n)
        body = bytes(c ^ MASK[i & 3] for i, c in enumerate(data))
        if not self.ended:
            self.sim.say('send %s %s' % (self.name, (bytes([first | op]) + size + MASK + body).hex()))

    def send(self, objs, texts):
        if self.binary:
            encoded = [o if isinstance(o, bytes) else replay.pb_encode('Command', o) for o in objs]
            self.frame(b''.join(replay.varint(len(e)) + e for e in encoded), 2)
        else:
            self.frame('\n'.join(texts).encode(), 1)

    def close(self):
        if self.status == 101 and not self.ended:
            self.frame(struct.pack('>H', 1000), 8)
            self.sim.recv(self.name)
        if not self.ended:
            self.sim.say('eof ' + self.name)
            self.sim.recv(self.name)
        self.ended = True


class SimStream(Conn):
    """A client of an HTTP answer that goes on. What it says goes out by post(body, content type)."""

    def __init__(self, sim, kind, name, verb, path, headers, body, post):
        super().__init__(kind)
        self.sim, self.name, self.post, self.buf, self.ended, self.over = sim, name, post, b'', False, False
        self.events = b''
        sim.say('open %s EXT' % name)
        h = {'Host': 'peal.test'}
        h.update(headers)
        if body or verb == 'POST':
            h['Content-Length'] = str(len(body))
        head = '%s %s HTTP/1.1\r\n%s\r\n' % (verb, path, ''.join('%s: %s\r\n' % x for x in h.items()))
        sim.say('send %s %s' % (name, (head.encode() + body).hex()))
        self.raw()
        head, sep, rest = self.buf.partition(b'\r\n\r\n')
        if not sep:
            raise Bad('no answer to the request')
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split(' ')[1])
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(':') for x in lines[1:])}
        self.buf = rest
        self.body = '' if self.status == 200 else rest.decode('latin-1')
        if self.status == 200:
            self.parse()

    def raw(self):
        data, closed = self.sim.recv(self.name)
        self.buf += data
        return closed

    def parse(self):
        """whole chunks to the event bytes, whole events to the inbox"""
        while not self.over:
            size, sep, rest = self.buf.partition(b'\r\n')
            if not sep or len(rest) < int(size, 16) + 2:
                break
            n = int(size, 16)
            self.events += rest[:n]
            self.buf, self.over = rest[n + 2:], n == 0
        if 'sse' in self.kind:
            while b'\n\n' in self.events:
                event, self.events = self.events.split(b'\n\n', 1)
                lines = [x for x in event.decode().split('\n') if x.strip('\r')]
                if any(not x.startswith('data: ') for x in lines):
                    self.inbox.put(('ctl', 'unknown SSE lines %r' % lines))
                elif lines:
                    self.put_text('\n'.join(x[6:] for x in lines))
        elif self.binary:
            while self.events:
                try:
                    n, i = replay.get_varint(self.events, 0)
                except IndexError:
                    break
                if len(self.events) < i + n:
                    break
                self.put_binary(self.events[:i + n])
                self.events = self.events[i + n:]
        else:
            while b'\n' in self.events:
                one, self.events = self.events.split(b'\n', 1)
                self.put_text(one.decode())

    def take(self, timeout):
        left = int(timeout * 1000)
        while True:
            if not self.inbox.empty():
                return self.inbox.get()
            if not self.ended:
                closed = self.raw()
                self.parse()
                if closed or self.over:
                    self.ended = True
                    self.inbox.put(('eof',))
                if not self.inbox.empty():
                    continue
            if left <= 0:
                return None
            step = min(STEP_MS, left)
            self.sim.advance(step)
            left -= step

    def send(self, objs, texts):
        if self.binary:
            raw = b''.join(replay.varint(len(e)) + e for e in (replay.pb_encode('Command', o) for o in objs))
            status = self.post(replay.pb_encode('Emulation', {'node': self.node, 'session': self.session, 'data': raw}), 'application/octet-stream')
        else:
            body = json.dumps({'session': self.session, 'node': self.node, 'data': '\n'.join(texts)}).encode()
            status = self.post(body, 'application/json')
        if status != 204:
            raise Bad('emulation request answered %d, expected 204' % status)

    def close(self):
        if self.status == 200:
            self.sim.say('eof ' + self.name)
            self.sim.recv(self.name)
        self.ended = True


class FakeSocket:
    def __init__(self, data):
        self.data = data

    def makefile(self, mode):
        return io.BytesIO(self.data)


class SimRun(Run):
    def __init__(self, t, sim, internal):
        self.t, self.sim, self.strict, self.internal = t, sim, False, internal
        self.conns, self.var, self.mine, self.requests = {}, {}, [], 0
        self.stubs = replay.Stubs.__new__(replay.Stubs)
        self.stubs.lock, self.stubs.wanted, self.stubs.strays = replay.threading.Condition(), [], []

    def pause(self, s):
        self.sim.advance(int(s * 1000))

    def http(self, verb, path, headers, body):
        self.requests += 1
        name = 'h%d' % self.requests
        side = 'INT' if self.internal and not path.startswith(('/connection', '/emulation')) else 'EXT'
        self.sim.say('open %s %s' % (name, side))
        h = {'Host': 'peal.test', 'Connection': 'close'}
        h.update(headers)
        if body or verb == 'POST':
            h['Content-Length'] = str(len(body))
        head = '%s %s HTTP/1.1\r\n%s\r\n' % (verb, path, ''.join('%s: %s\r\n' % x for x in h.items()))
        self.sim.say('send %s %s' % (name, (head.encode() + body).hex()))
        data, closed = self.sim.recv(name)
        for _ in range(100):
            if closed:
                break
            self.sim.advance(STEP_MS)
            more, closed = self.sim.recv(name)
            data += more
        if not closed:
            raise Bad('%s %s: the server keeps the connection though it was asked to close' % (verb, path))
        r = http.client.HTTPResponse(FakeSocket(data), method=verb)
        r.begin()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read().decode('utf-8', 'replace')

    def open(self, name, rest, line):
        ask, want = self.split(rest)
        words = ask.split(' ', 1)
        kind, more = words[0], words[1] if len(words) > 1 else ''
        path = replay.PATHS[kind]
        if more.startswith(('/', '?')):
            p, _, more = more.partition(' ')
            p = replay.expand(p, self.var)
            path = p if p.startswith('/') else path + p
        post = more.startswith('POST')
        headers, body = self.args(more[4:].strip() if post else more)
        data = self.body_bytes(body)
        if name in self.conns:
            self.conns[name].close()
        self.opens = getattr(self, 'opens', 0) + 1
        at = '%s_%d' % (name, self.opens)
        verb = 'GET' if kind in ('ws', 'wspb', 'uni_ws') or (kind.endswith('sse') and not post) else 'POST'
        if body and verb == 'GET':
            path += ('&' if '?' in path else '?') + 'cf_connect=' + urllib.parse.quote(data.decode())
            data = b''
        if kind in ('ws', 'wspb', 'uni_ws'):
            c = SimWS(self.sim, kind, at, path, headers)
        else:
            if kind == 'http_stream_pb':
                headers.setdefault('Content-Type', 'application/octet-stream')
                if body[0] == 'json':
                    e = replay.pb_encode('Command', self.obj(body[1]))
                    data = replay.varint(len(e)) + e
            c = SimStream(self.sim, kind, at, verb, path, headers, data or b'',
                          lambda data, kind: self.http('POST', '/emulation', {'Content-Type': kind}, data)[0])
        self.conns[name] = c
        self.opened(line, c, want or ('101' if isinstance(c, SimWS) else '200'))


def resolve(t, simwire, out, tmp):
    """-> difference lines; the script is written when there are none"""
    config = json.load(open(find_config(t), encoding='utf-8'))
    path = os.path.join(tmp, t.head.get('config', 'base') + '.json')
    json.dump(json.loads(json.dumps(config).replace('{{stub}}', 'http://127.0.0.1:1')), open(path, 'w'))
    sim = None
    try:
        sim = Sim(simwire, path)
        replay.clock = lambda: sim.now
        bad = SimRun(t, sim, bool(config.get('http_server', {}).get('internal_port'))).run()
    except Bad as e:
        bad = str(e).split('\n')
    finally:
        status = sim.quit() if sim else 0
    if not bad and status != 0:
        bad = ['simwire ended with status %d' % status]
    if bad:
        return bad
    group = os.path.basename(os.path.dirname(os.path.abspath(t.path)))
    name = os.path.join(out, '%s-%s.sim' % (group, t.name))
    with open(name, 'w') as f:
        f.write('# %s/%s: %s\nconfig %s\n' % (group, t.name, t.head.get('title', ''), path) + '\n'.join(sim.script) + '\n')
    return []


def main():
    ap = argparse.ArgumentParser(description='make .sim scripts of .wire transcripts')
    ap.add_argument('paths', nargs='*', help='.wire files or folders (default: the folder of this program)')
    ap.add_argument('--simwire', default=os.path.join(replay.ROOT, 'build', 'tests', 'sim', 'simwire'))
    ap.add_argument('--out', required=True, help='folder of the scripts and of the configurations they name')
    ap.add_argument('-k', default='', help='only transcripts whose path contains this')
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    passed = failed = 0
    files = []
    for p in a.paths or [HERE]:
        files += [p] if p.endswith('.wire') else glob.glob(os.path.join(p, '**', '*.wire'), recursive=True)
    for f in sorted(files):
        if a.k not in f:
            continue
        bad = resolve(Transcript(f), a.simwire, a.out, a.out)
        if bad:
            failed += 1
            print('FAILED %s\n%s' % (os.path.relpath(f), '\n'.join('  ' + x for x in bad)), flush=True)
        else:
            passed += 1
    print('SUITE resolve: %d passed, %d failed, 0 skipped' % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
