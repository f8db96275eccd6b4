#!/usr/bin/env python3
"""Replays .wire transcripts against a server (see README.md).  Python 3.11, standard library only.

    tests/wire/replay.py [-k recovery] [-v] [folder or file ...]

The server is $PEAL_BIN (build/peal), or whatever SERVER_CMD starts: it gets $CONFIG and $PORT and must end on SIGTERM.
A transcript that stands in later.txt belongs to a later issue and is not here yet."""
import argparse, base64, concurrent.futures, glob, hashlib, hmac, http.client, http.server, json, os, queue, re
import select, shlex, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time, urllib.parse, zlib

HERE = os.path.dirname(os.path.abspath(__file__))
WAIT = float(os.environ.get('WIRE_TIMEOUT', '4'))       # how long one expectation may take, seconds
ROOT = os.path.dirname(os.path.dirname(HERE))
clock = time.time                                       # resolve.py puts the simulator's clock here
TLS = None                                              # --tls: the context of our side

# ---------------------------------------------------------------- protobuf: a field table and a codec
CI = 'ClientInfo'
CONN = {1: ('client', 's'), 2: ('version', 's'), 3: ('expires', 'b'), 4: ('ttl', 'u'), 5: ('data', 'j'), 6: ('subs', 'm:SubscribeResult'),
        7: ('ping', 'u'), 8: ('pong', 'b'), 9: ('session', 's'), 10: ('node', 's'), 11: ('time', 'u')}
PB = {
 'Command': {1: ('id', 'u'), 4: ('connect', 'ConnectRequest'), 5: ('subscribe', 'SubscribeRequest'), 6: ('unsubscribe', 'Chan'),
    7: ('publish', 'PublishRequest'), 8: ('presence', 'Chan'), 9: ('presence_stats', 'Chan'), 10: ('history', 'HistoryRequest'),
    11: ('ping', 'Empty'), 12: ('send', 'Data'), 13: ('rpc', 'RPC'), 14: ('refresh', 'Token'), 15: ('sub_refresh', 'SubRefreshRequest')},
 'Reply': {1: ('id', 'u'), 2: ('error', 'Error'), 4: ('push', 'Push'), 5: ('connect', 'Connect'), 6: ('subscribe', 'SubscribeResult'),
    7: ('unsubscribe', 'Empty'), 8: ('publish', 'Empty'), 9: ('presence', 'PresenceResult'), 10: ('presence_stats', 'Stats'),
    11: ('history', 'HistoryResult'), 12: ('ping', 'Empty'), 13: ('rpc', 'Data'), 14: ('refresh', 'RefreshResult'),
    15: ('sub_refresh', 'SubRefreshResult')},
 'Push': {1: ('id', 'u'), 2: ('channel', 's'), 4: ('pub', 'Publication'), 5: ('join', 'Info'), 6: ('leave', 'Info'), 7: ('unsubscribe', 'Bye'),
    8: ('message', 'Data'), 9: ('subscribe', 'SubscribePush'), 10: ('connect', 'Connect'), 11: ('disconnect', 'Bye'), 12: ('refresh', 'Refresh')},
 'Empty': {}, 'Chan': {1: ('channel', 's')}, 'Token': {1: ('token', 's')}, 'Data': {1: ('data', 'j')}, 'Info': {1: ('info', CI)},
 'RPC': {1: ('data', 'j'), 2: ('method', 's')}, 'Refresh': {1: ('expires', 'b'), 2: ('ttl', 'u')}, 'Connect': CONN,
 'Bye': {1: ('code', 'u'), 2: ('reason', 's'), 3: ('reconnect', 'b')}, 'Error': {1: ('code', 'u'), 2: ('message', 's'), 3: ('temporary', 'b')},
 CI: {1: ('user', 's'), 2: ('client', 's'), 3: ('conn_info', 'j'), 4: ('chan_info', 'j')},
 'Publication': {4: ('data', 'j'), 5: ('info', CI), 6: ('offset', 'u'), 7: ('tags', 'm:s'), 8: ('delta', 'b'), 9: ('time', 'u'), 10: ('channel', 's'),
    11: ('key', 's'), 12: ('removed', 'b'), 13: ('score', 'z'), 14: ('epoch', 's'), 16: ('version', 'u')},
 'Position': {1: ('offset', 'u'), 2: ('epoch', 's')},
 'Filter': {1: ('op', 's'), 2: ('key', 's'), 3: ('cmp', 's'), 4: ('val', 's'), 5: ('vals', '*s'), 6: ('nodes', '*Filter')},
 'ConnectRequest': {1: ('token', 's'), 2: ('data', 'j'), 3: ('subs', 'm:SubscribeRequest'), 4: ('name', 's'), 5: ('version', 's'), 6: ('headers', 'm:s')},
 'SubscribeRequest': {1: ('channel', 's'), 2: ('token', 's'), 3: ('recover', 'b'), 6: ('epoch', 's'), 7: ('offset', 'u'), 8: ('data', 'j'),
    9: ('positioned', 'b'), 10: ('recoverable', 'b'), 11: ('join_leave', 'b'), 12: ('delta', 's'), 13: ('tf', 'Filter'), 14: ('flag', 'u'),
    15: ('type', 'u'), 16: ('phase', 'u'), 17: ('cursor', 's'), 18: ('limit', 'u'), 19: ('asc', 'b')},
 'SubscribeResult': {1: ('expires', 'b'), 2: ('ttl', 'u'), 3: ('recoverable', 'b'), 6: ('epoch', 's'), 7: ('publications', '*Publication'),
    8: ('recovered', 'b'), 9: ('offset', 'u'), 10: ('positioned', 'b'), 11: ('data', 'j'), 12: ('was_recovering', 'b'), 13: ('delta', 'b'),
    14: ('id', 'u'), 15: ('type', 'u'), 16: ('phase', 'u'), 17: ('cursor', 's'), 18: ('state', '*Publication'), 19: ('publish_debounce', 'u')},
 'SubscribePush': {1: ('recoverable', 'b'), 4: ('epoch', 's'), 5: ('offset', 'u'), 6: ('positioned', 'b'), 7: ('data', 'j')},
 'PublishRequest': {1: ('channel', 's'), 2: ('data', 'j'), 3: ('type', 'u'), 4: ('key', 's'), 5: ('removed', 'b')},
 'PresenceResult': {1: ('presence', 'm:' + CI)}, 'Stats': {1: ('num_clients', 'u'), 2: ('num_users', 'u')},
 'HistoryRequest': {1: ('channel', 's'), 7: ('limit', 'u'), 8: ('since', 'Position'), 9: ('reverse', 'b')},
 'HistoryResult': {1: ('publications', '*Publication'), 2: ('epoch', 's'), 3: ('offset', 'u')},
 'RefreshResult': {1: ('client', 's'), 2: ('version', 's'), 3: ('expires', 'b'), 4: ('ttl', 'u')},
 'SubRefreshRequest': {1: ('channel', 's'), 2: ('token', 's'), 3: ('type', 'u'), 4: ('track', '*Track'), 5: ('untrack', '*s')},
 'Track': {1: ('signature', 's'), 2: ('items', '*Keyed')}, 'Keyed': {1: ('key', 's'), 2: ('version', 'u')},
 'SubRefreshResult': {1: ('expires', 'b'), 2: ('ttl', 'u'), 3: ('items', '*Publication')},
 'Emulation': {1: ('node', 's'), 2: ('session', 's'), 3: ('data', 'raw')},
}

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)

def get_varint(b, i):
    n = shift = 0
    while True:
        c = b[i]
        i += 1
        n |= (c & 127) << shift
        shift += 7
        if c < 128:
            return n, i

def payload(v):
    if isinstance(v, bytes):
        return v
    if isinstance(v, dict) and set(v) == {'$hex'}:
        return bytes.fromhex(v['$hex'])
    return json.dumps(v, separators=(',', ':'), ensure_ascii=False).encode()

def pb_value(kind, v):
    """-> (wire type, encoded value)"""
    if kind in 'ubz':
        v = int(v)
        return 0, varint((v << 1) ^ (v >> 63) if kind == 'z' else v)
    if kind == 's':
        raw = v.encode()
    elif kind in ('j', 'raw'):
        raw = payload(v)
    else:
        raw = pb_encode(kind, v)
    return 2, varint(len(raw)) + raw

def pb_encode(name, obj):
    out = b''
    names = {n: (num, kind) for num, (n, kind) in PB[name].items()}
    for key, v in sorted(obj.items(), key=lambda kv: names[kv[0]][0]):
        num, kind = names[key]
        if kind.startswith('m:'):
            entries = []
            for k, mv in v.items():
                wt, ev = pb_value(kind[2:], mv)
                raw = b'\x0a' + varint(len(k.encode())) + k.encode() + bytes([2 << 3 | wt]) + ev
                entries.append((2, varint(len(raw)) + raw))
        elif kind.startswith('*'):
            entries = [pb_value(kind[1:], x) for x in v]
        else:
            if v in (False, 0, '') and not isinstance(v, (dict, list)) and kind not in ('j', 'raw'):
                continue
            entries = [pb_value(kind, v)]
        for wt, ev in entries:
            out += varint(num << 3 | wt) + ev
    return out

def pb_scalar(kind, v):
    if kind == 'b':
        return bool(v)
    if kind == 'z':
        return (v >> 1) ^ -(v & 1)
    return v - (1 << 64) if v >> 63 else v

def pb_blob(kind, raw):
    if kind == 's':
        return raw.decode()
    if kind == 'j':
        try:
            return json.loads(raw)
        except ValueError:
            return {'$hex': raw.hex()}
    return pb_decode(kind, raw)

def pb_decode(name, b):
    i, obj = 0, {}
    while i < len(b):
        tag, i = get_varint(b, i)
        num, wt = tag >> 3, tag & 7
        key, kind = PB[name].get(num, ('#%d' % num, 's' if wt == 2 else 'u'))
        if wt == 0:
            v, i = get_varint(b, i)
            v = pb_scalar(kind, v)
            if v:
                obj[key] = v
            continue
        if wt != 2:
            raise ValueError('wire type %d in %s' % (wt, name))
        n, i = get_varint(b, i)
        raw, i = b[i:i + n], i + n
        if len(raw) != n:
            raise ValueError('truncated %s' % name)
        if kind.startswith('m:'):
            entry, j = {1: b'', 2: b''}, 0
            while j < len(raw):
                t, j = get_varint(raw, j)
                n, j = get_varint(raw, j)
                entry[t >> 3], j = raw[j:j + n], j + n
            obj.setdefault(key, {})[entry[1].decode()] = pb_blob(kind[2:], entry[2])
        elif kind.startswith('*'):
            obj.setdefault(key, []).append(pb_blob(kind[1:], raw))
        elif raw or kind not in 'sj':
            obj[key] = pb_blob(kind, raw)
    return obj

def pb_split(b):
    i = 0
    while i < len(b):
        n, i = get_varint(b, i)
        yield b[i:i + n]
        i += n

# ---------------------------------------------------------------- fossil patches
DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~'

def patch(base, delta):
    pos = 0
    def number():
        nonlocal pos
        n = 0
        while chr(delta[pos]) in DIGITS:
            n = n * 64 + DIGITS.index(chr(delta[pos]))
            pos += 1
        return n
    size = number()
    assert delta[pos:pos + 1] == b'\n', 'patch: no newline after the length'
    pos += 1
    out = b''
    while True:
        n = number()
        op = chr(delta[pos])
        pos += 1
        if op == '@':
            at = number()
            assert delta[pos:pos + 1] == b',', 'patch: copy without comma'
            pos += 1
            assert at + n <= len(base), 'patch: copy beyond the base'
            out += base[at:at + n]
        elif op == ':':
            out += delta[pos:pos + n]
            pos += n
        elif op == ';':
            padded = out + b'\0' * (-len(out) % 4)
            total = sum(struct.unpack('>%dI' % (len(padded) // 4), padded)) & 0xffffffff
            assert len(out) == size and total == n, 'patch: wrong length or checksum'
            return out
        else:
            raise AssertionError('patch: unknown operator %r' % op)

# ---------------------------------------------------------------- tokens
def b64u(x):
    return base64.urlsafe_b64encode(x).rstrip(b'=').decode()

KEYS = json.load(open(os.path.join(HERE, 'configs', 'keys.json'))) if os.path.exists(os.path.join(HERE, 'configs', 'keys.json')) else {}
P256 = dict(p=2**256 - 2**224 + 2**192 + 2**96 - 1, n=0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
            g=(0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296, 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5))

def ec_mul(k, pt):
    p = P256['p']
    def add(a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0] and (a[1] + b[1]) % p == 0:
            return None
        m = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, p) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
        x = (m * m - a[0] - b[0]) % p
        return x, (m * (a[0] - x) - a[1]) % p
    out = None
    while k:
        if k & 1:
            out = add(out, pt)
        pt, k = add(pt, pt), k >> 1
    return out

def sign(alg, key, text):
    h = {'256': hashlib.sha256, '384': hashlib.sha384, '512': hashlib.sha512}.get(alg[-3:])
    if alg.startswith('HS'):
        return hmac.new(key.encode(), text, h).digest()
    if alg.startswith('RS'):
        n, d = int(KEYS[key]['n'], 16), int(KEYS[key]['d'], 16)
        head = {'256': '3031300d060960864801650304020105000420', '384': '3041300d060960864801650304020205000430',
                '512': '3051300d060960864801650304020305000440'}[alg[-3:]]
        size = (n.bit_length() + 7) // 8
        t = bytes.fromhex(head) + h(text).digest()
        m = b'\0\1' + b'\xff' * (size - len(t) - 3) + b'\0' + t
        return pow(int.from_bytes(m, 'big'), d, n).to_bytes(size, 'big')
    if alg == 'ES256':
        d, n = int(KEYS[key]['d'], 16), P256['n']
        k = int.from_bytes(os.urandom(32), 'big') % (n - 1) + 1
        r = ec_mul(k, P256['g'])[0] % n
        s = pow(k, -1, n) * (int.from_bytes(h(text).digest(), 'big') + r * d) % n
        return r.to_bytes(32, 'big') + s.to_bytes(32, 'big')
    return b''                                              # "none" and names nobody knows

def jwt(claims, opts):
    alg = opts.get('alg', 'HS256')
    key = opts.get('key') or {'R': 'rsa', 'E': 'ec'}.get(alg[0], 'secret')
    for k in ('exp', 'nbf', 'iat', 'expire_at'):
        if isinstance(claims.get(k), str) and claims[k][:1] in '+-':
            claims[k] = int(clock()) + int(claims[k])
    head = {'alg': alg, 'typ': 'JWT'}
    if 'kid' in opts:
        head['kid'] = opts['kid']
    text = b64u(json.dumps(head).encode()) + '.' + b64u(json.dumps(claims).encode())
    return text + '.' + b64u(sign(alg, key, text.encode()))

def track_signature(opts):
    now = int(clock())
    exp = now + int(opts.get('exp', '+60'))
    keys = opts['keys'].split(',')
    parts = [str(now), str(exp), opts.get('user', ''), opts['channel'], hashlib.sha256('\0'.join(keys).encode()).hexdigest()]
    return '%d:%d:%s' % (now, exp, hmac.new(opts.get('key', 'pollsecret').encode(), '\0'.join(parts).encode(), hashlib.sha256).hexdigest())

# ---------------------------------------------------------------- text with {{macros}}
class Bad(Exception):
    """an expectation that did not hold"""

def macro_end(t, i):
    j = i + 2
    while j < len(t):
        if t[j] == '{':
            j = json.JSONDecoder().raw_decode(t, j)[1]
        elif t.startswith('}}', j):
            return j + 2
        else:
            j += 1
    raise ValueError('unclosed macro in ' + t)

def json_end(t, i=0):
    """end of the first JSON value (macros allowed) that starts at i"""
    depth, quoted = 0, False
    while i < len(t):
        c = t[i]
        if t.startswith('{{', i):
            i = macro_end(t, i)
            if not depth and not quoted:
                return i
            continue
        if quoted:
            if c == '\\':
                i += 1
            elif c == '"':
                quoted = False
                if not depth:
                    return i + 1
        elif c == '"':
            quoted = True
        elif c in '{[':
            depth += 1
        elif c in '}]':
            depth -= 1
            if not depth:
                return i + 1
        elif c == ' ' and not depth:
            return i
        i += 1
    return i

def options(words):
    return dict(w.split('=', 1) for w in words)

def evaluate(m, var):
    """the text of a generating macro, None for a matcher"""
    if m.startswith('='):
        return str(var[m[1:]]) if m[1:] in var else None     # perhaps captured earlier in the same message
    word = m.split(' ', 1)[0]
    if word == 'jwt':
        end = json.JSONDecoder().raw_decode(m, 4)[1]
        claims = json.loads(expand(m[4:end], var))
        return jwt(claims, options(m[end:].split()))
    if word == 'track':
        return track_signature(options(expand(m, var).split()[1:]))
    if word == 'rep':
        _, text, n = m.split(' ')
        return text * int(n)
    if word.startswith('now'):
        return str(int(clock()) + int(word[3:] or 0))
    return None

def expand(t, var):
    """replaces the macros; matchers that stand for a whole value become strings with a leading \\1"""
    out, i, quoted = [], 0, False
    while i < len(t):
        if t.startswith('{{', i):
            j = macro_end(t, i)
            m = t[i + 2:j - 2]
            v = evaluate(m, var)
            if v is None:
                v = '\\u0001' + json.dumps(m)[1:-1]
                v = v if quoted else '"%s"' % v
            elif not quoted and not m.startswith('now') and not re.fullmatch(r'-?\d+', v):
                v = json.dumps(v)
            out.append(v)
            i = j
            continue
        if t[i] == '\\' and quoted:
            out.append(t[i:i + 2])
            i += 2
            continue
        if t[i] == '"':
            quoted = not quoted
        out.append(t[i])
        i += 1
    return ''.join(out)

UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')

def match(m, act, var):
    """one matcher against one value -> error text or None"""
    word, _, arg = m.partition(':')
    if m.startswith('='):
        return None if var.get(m[1:]) == act else 'is not {{%s}}' % m
    if word == 'any':
        return None
    if word == 're':
        return None if isinstance(act, str) and re.fullmatch(arg, act, re.S) else 'does not match /%s/' % arg
    if word == 'uuid':
        ok = isinstance(act, str) and UUID.fullmatch(act)
    elif word in ('epoch', 'str'):
        ok = isinstance(act, str) and act != ''
    elif word == 'int':
        ok = isinstance(act, int) and not isinstance(act, bool)
        if ok and '..' in arg:
            lo, hi = arg.split('..')
            return None if int(lo) <= act <= int(hi) else 'is not in %s' % arg
    else:
        return 'unknown matcher {{%s}}' % m
    if not ok:
        return 'is no %s' % word
    if arg or word == 'epoch':
        var[arg or 'epoch'] = act
    return None

def show(v):
    return json.dumps(v, ensure_ascii=False, separators=(',', ':')).replace('\\u0001', '')

def diff(exp, act, var, path='$'):
    if isinstance(exp, str) and exp.startswith('\1'):
        m = exp[1:]
        m = m[4:] if m.startswith('opt ') else m
        why = match(m, act, var)
        return ['%s: %s %s' % (path, show(act), why)] if why else []
    if isinstance(exp, dict) and isinstance(act, dict):
        out = []
        for k in exp:
            if k not in act:
                if not (isinstance(exp[k], str) and exp[k].startswith('\1opt ')):
                    out.append('%s.%s: missing, expected %s' % (path, k, show(exp[k])))
            else:
                out += diff(exp[k], act[k], var, path + '.' + k)
        return out + ['%s.%s: unexpected %s' % (path, k, show(act[k])) for k in act if k not in exp]
    if isinstance(exp, list) and isinstance(act, list):
        if len(exp) != len(act):
            return ['%s: %d elements, expected %d' % (path, len(act), len(exp))]
        return [d for i, (e, a) in enumerate(zip(exp, act)) for d in diff(e, a, var, '%s[%d]' % (path, i))]
    if type(exp) is not type(act) and not (isinstance(exp, (int, float)) and isinstance(act, (int, float)) and not isinstance(exp, bool) and not isinstance(act, bool)):
        return ['%s: %s, expected %s' % (path, show(act), show(exp))]
    return [] if exp == act else ['%s: %s, expected %s' % (path, show(act), show(exp))]

def check(exp, act, var):
    trial = dict(var)
    d = diff(exp, act, trial)
    if not d:
        var.update(trial)
    return d

# ---------------------------------------------------------------- connections
class TlsSocket:
    """A TLS connection that one thread reads while another writes: OpenSSL's object is touched under a lock, waiting is done outside."""
    def __init__(self, sock):
        self.sock, self.lock = TLS.wrap_socket(sock, server_hostname='localhost'), threading.Lock()
        self.sock.setblocking(False)

    def recv(self, n):
        while True:
            try:
                with self.lock:
                    return self.sock.recv(n)
            except ssl.SSLWantReadError:
                select.select([self.sock], [], [], 1)
            except ssl.SSLError:
                raise EOFError from None

    def sendall(self, data):
        while data:
            try:
                with self.lock:
                    data = data[self.sock.send(data):]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                select.select([], [self.sock], [], 1)

    def settimeout(self, seconds):
        pass

    def shutdown(self, how):
        self.sock.shutdown(how)

    def close(self):
        self.sock.close()

def dial(port):
    sock = socket.create_connection(('127.0.0.1', port), timeout=10)
    return TlsSocket(sock) if TLS else sock

def http_link(port, timeout):
    if TLS:
        return http.client.HTTPSConnection('127.0.0.1', port, timeout=timeout, context=TLS)
    return http.client.HTTPConnection('127.0.0.1', port, timeout=timeout)

class Conn:
    """inbox items: ('msg', object, raw) ('close', code, reason) ('eof',) ('ctl', name)"""
    def __init__(self, kind):
        self.kind, self.inbox, self.held = kind, queue.Queue(), []
        self.session = self.node = ''
        self.asked, self.base = {}, {}
        self.binary = kind in ('wspb', 'http_stream_pb')
        self.uni = kind.startswith('uni_')
        self.sock = None

    def put_text(self, text):
        for line in text.split('\n'):
            try:
                self.put(json.loads(line), line)
            except ValueError:
                self.inbox.put(('msg', {'$not json': line}, line))

    def put_binary(self, data):
        for raw in pb_split(data):
            try:
                self.put(pb_decode('Reply', raw), raw)
            except (ValueError, IndexError) as e:
                self.inbox.put(('msg', {'$not protobuf': str(e)}, raw))

    def put(self, obj, raw):
        if isinstance(obj, dict):
            try:
                self.undelta(obj, raw)
            except (AssertionError, IndexError, KeyError) as e:
                obj = {'$bad patch': str(e) or repr(e), 'message': obj}
            c = obj.get('connect')
            if isinstance(c, dict):
                self.session, self.node = c.get('session', ''), c.get('node', '')
        self.inbox.put(('msg', obj, raw))

    def undelta(self, obj, raw):
        """keeps the last payload of every channel and key; a patch is shown as the payload it stands for"""
        if self.binary:
            obj_raw = obj
        push = obj.get('push') or (obj if self.uni else {})
        lists = []
        if isinstance(push, dict) and 'pub' in push:
            lists.append((push.get('channel', ''), [push['pub']]))
        sub = obj.get('subscribe')
        if isinstance(sub, dict) and 'id' in obj:
            lists.append((self.asked.get(obj['id'], ''), sub.get('state', []) + sub.get('publications', [])))
        con = obj.get('connect')
        if isinstance(con, dict):
            for ch, r in con.get('subs', {}).items():
                lists.append((ch, r.get('publications', [])))
        for ch, pubs in lists:
            for p in pubs:
                at = (ch, p.get('key', ''))
                d = p.get('data')
                if isinstance(d, dict) and set(d) == {'$hex'}:
                    text = bytes.fromhex(d['$hex'])
                elif isinstance(d, str) and not self.binary:
                    text = d.encode()
                elif self.binary and d is not None:
                    text = payload(d)
                else:
                    continue
                if p.get('delta'):
                    size = len(text)
                    text = patch(self.base[at], text)
                    assert size < len(text), 'patch: longer than the payload'
                    p['data'] = pb_blob('j', text) if self.binary else text.decode()
                self.base[at] = text

    def note(self, obj):
        if isinstance(obj, dict) and isinstance(obj.get('subscribe'), dict):
            self.asked[obj.get('id')] = obj['subscribe'].get('channel', '')

    def take(self, timeout):
        try:
            return self.inbox.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self):
        if self.sock:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.sock.close()

class WS(Conn):
    def __init__(self, kind, port, path, headers):
        super().__init__(kind)
        self.sock = dial(port)
        self.frame_pings = 'frame_ping' in path             # elsewhere control pings are answered and not shown
        h = {'Host': '127.0.0.1:%d' % port, 'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13',
             'Sec-WebSocket-Key': base64.b64encode(os.urandom(16)).decode()}
        if kind == 'wspb' and 'protobuf' not in path and 'Sec-WebSocket-Protocol' not in headers:
            h['Sec-WebSocket-Protocol'] = 'centrifuge-protobuf'
        h.update(headers)
        self.sock.sendall(('GET %s HTTP/1.1\r\n%s\r\n' % (path, ''.join('%s: %s\r\n' % x for x in h.items()))).encode())
        b = b''
        while b'\r\n\r\n' not in b:
            d = self.sock.recv(4096)
            if not d:
                break
            b += d
        head, _, self.buf = b.partition(b'\r\n\r\n')
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split(' ')[1]) if len(lines[0].split(' ')) > 1 else 0
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(':') for x in lines[1:])}
        self.body = '' if self.status == 101 else self.buf.decode('latin-1')
        if self.status == 101:
            want = base64.b64encode(hashlib.sha1((h['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
            if self.headers.get('sec-websocket-accept') != want:
                raise Bad('wrong Sec-WebSocket-Accept')
            self.sock.settimeout(None)
            threading.Thread(target=self.read, daemon=True).start()

    def need(self, n):
        while len(self.buf) < n:
            d = self.sock.recv(65536)
            if not d:
                raise EOFError
            self.buf += d
        r, self.buf = self.buf[:n], self.buf[n:]
        return r

    def read(self):
        try:
            parts, first = [], 0
            while True:
                a, b = self.need(2)
                n = b & 127
                if n == 126:
                    n = struct.unpack('>H', self.need(2))[0]
                elif n == 127:
                    n = struct.unpack('>Q', self.need(8))[0]
                data = self.need(n)
                op = a & 15
                if b & 128:
                    self.inbox.put(('ctl', 'masked frame from the server'))
                if op == 8:
                    self.inbox.put(('close', struct.unpack('>H', data[:2])[0] if n > 1 else 1005, data[2:].decode()))
                    self.frame(data[:2], 8)
                    return
                if op == 9:
                    self.frame(data, 10)
                    if self.frame_pings:
                        self.inbox.put(('ctl', 'ping'))
                    continue
                if op == 10:
                    self.inbox.put(('ctl', 'pong ' + data.decode('latin-1')))
                    continue
                if op:
                    first, parts = a, []
                parts.append(data)
                if a & 128:
                    data = b''.join(parts)
                    if first & 64:
                        data = zlib.decompressobj(-15).decompress(data + b'\0\0\xff\xff')
                        if os.environ.get('WIRE_TRACE_DEFLATE'):
                            print('inflated', len(data))
                    if first & 15 == 1:
                        self.put_text(data.decode())
                    else:
                        self.put_binary(data)
        except (EOFError, OSError):
            self.inbox.put(('eof',))
        except Exception as e:                              # a frame that cannot be understood is a finding
            self.inbox.put(('ctl', 'broken frame: %r' % e))

    def frame(self, data, op, first=0x80):
        mask = os.urandom(4)
        n = len(data)
        size = bytes([0x80 | n]) if n < 126 else b'\xfe' + struct.pack('>H', n) if n < 65536 else b'\xff' + struct.pack('>Q', n)
        key = (mask * (n // 4 + 1))[:n]
        body = (int.from_bytes(data, 'big') ^ int.from_bytes(key, 'big')).to_bytes(n, 'big')
        try:
            self.sock.sendall(bytes([first | op]) + size + mask + body)
        except OSError:
            pass

    def send(self, objs, texts):
        if self.binary:
            raw = b''
            for o in objs:
                e = o if isinstance(o, bytes) else pb_encode('Command', o)
                raw += varint(len(e)) + e
            self.frame(raw, 2)
        else:
            self.frame('\n'.join(texts).encode(), 1)

    def close(self):
        if self.status == 101:
            self.frame(struct.pack('>H', 1000), 8)
        super().close()

class Stream(Conn):
    def __init__(self, kind, port, verb, path, headers, body):
        super().__init__(kind)
        self.port = port
        self.http = http_link(port, 30)
        self.http.request(verb, path, body, headers)
        self.sock = self.http.sock
        self.resp = self.http.getresponse()
        self.status = self.resp.status
        self.headers = {k.lower(): v for k, v in self.resp.getheaders()}
        self.body = ''
        if self.status == 200:
            threading.Thread(target=self.read, daemon=True).start()
        else:
            self.body = self.resp.read().decode('latin-1')

    def read(self):
        buf, sse = b'', 'sse' in self.kind
        try:
            while True:
                d = self.resp.read1(65536)
                if not d:
                    break
                buf += d
                if sse:
                    while b'\n\n' in buf:
                        event, buf = buf.split(b'\n\n', 1)
                        lines = [x for x in event.decode().split('\n') if x.strip('\r')]
                        if any(not x.startswith('data: ') for x in lines):
                            self.inbox.put(('ctl', 'unknown SSE lines %r' % lines))
                        elif lines:
                            self.put_text('\n'.join(x[6:] for x in lines))
                elif self.binary:
                    while buf:
                        try:
                            n, i = get_varint(buf, 0)
                        except IndexError:
                            break
                        if len(buf) < i + n:
                            break
                        self.put_binary(buf[:i + n])
                        buf = buf[i + n:]
                else:
                    while b'\n' in buf:
                        line, buf = buf.split(b'\n', 1)
                        self.put_text(line.decode())
        except (OSError, http.client.HTTPException, AttributeError, ValueError):
            pass
        self.inbox.put(('eof',))

    def send(self, objs, texts):
        if self.binary:
            raw = b''.join(varint(len(e)) + e for e in (pb_encode('Command', o) for o in objs))
            body, kind = pb_encode('Emulation', {'node': self.node, 'session': self.session, 'data': raw}), 'application/octet-stream'
        else:
            body, kind = json.dumps({'session': self.session, 'node': self.node, 'data': '\n'.join(texts)}).encode(), 'application/json'
        h = http_link(self.port, 10)
        h.request('POST', '/emulation', body, {'Content-Type': kind})
        r = h.getresponse()
        r.read()
        h.close()
        if r.status != 204:
            raise Bad('emulation request answered %d, expected 204' % r.status)

PATHS = {'ws': '/connection/websocket', 'wspb': '/connection/websocket', 'sse': '/connection/sse', 'http_stream': '/connection/http_stream',
         'http_stream_pb': '/connection/http_stream', 'uni_ws': '/connection/uni_websocket', 'uni_sse': '/connection/uni_sse',
         'uni_http_stream': '/connection/uni_http_stream'}

# ---------------------------------------------------------------- backend stubs
class Stubs:
    def __init__(self, port):
        self.lock, self.wanted, self.strays = threading.Condition(), [], []
        outer = self
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def log_message(self, *a):
                pass
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                status, text, delay = outer.serve(self.path, dict((k.lower(), v) for k, v in self.headers.items()), body)
                time.sleep(delay)
                try:
                    self.send_response(status)
                    self.send_header('Content-Type', 'application/json')
                    if status not in (204, 304):
                        self.send_header('Content-Length', str(len(text)))
                    self.end_headers()
                    self.wfile.write(text if status not in (204, 304) else b'')
                except OSError:
                    pass
        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 128
            def handle_error(self, *a):
                pass                                        # a peer that went away
        self.server = Server(('127.0.0.1', port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, path, headers, body):
        try:
            got = json.loads(body)
        except ValueError:
            got = {'$not json': body.decode('latin-1')}
        with self.lock:
            for s in list(self.wanted):
                if s['path'] != path or s['left'] == 0:
                    continue
                trial = dict(s['var'])
                bad = [] if s['req'] is None else diff(s['req'], got, trial)
                for k, v in s['headers'].items():
                    if v == '-':
                        bad += ['header %s: unexpected %r' % (k, headers[k.lower()])] if k.lower() in headers else []
                    elif headers.get(k.lower()) != v:
                        bad.append('header %s: %r, expected %r' % (k, headers.get(k.lower()), v))
                if not bad:
                    s['var'].update(trial)
                    s['left'] -= 1
                    s['seen'] += 1
                    s['got'], s['got_headers'] = got, headers
                    self.lock.notify_all()
                    text = s['text'] if s['text'] is not None else expand(s['resp'], s['var'])
                    return s['status'], text.encode(), s['delay']
            self.strays.append((path, got))
            return 500, b'no stub', 0

# ---------------------------------------------------------------- one transcript
class Skip(Exception):
    pass

def seconds(t):
    return float(t[:-2]) / 1000 if t.endswith('ms') else float(t.rstrip('s'))

class Transcript:
    def __init__(self, path, text=None):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.head, self.steps = {}, []
        for no, line in enumerate((text or open(path, encoding='utf-8').read()).split('\n'), 1):
            if not line.strip() or line.startswith('#'):
                continue
            m = re.match(r'(config|title|topic|quirk|tags): *(.*)', line)
            if m and not self.steps:
                self.head[m[1]] = m[2]
            else:
                self.steps.append((no, line.rstrip()))

class Run:
    pause = staticmethod(time.sleep)
    def __init__(self, t, port, stubs, strict=False):
        self.t, self.port, self.stubs, self.strict = t, port, stubs, strict
        self.conns, self.var, self.mine = {}, {}, []

    def run(self):
        """-> list of difference lines"""
        line, no = '', 0
        try:
            steps = self.t.steps
            i = 0
            while i < len(steps):
                no, line = steps[i]
                if re.match(r'\w+ <~ ', line):
                    who = line.split(' ', 1)[0] + ' <~ '
                    group = []
                    while i < len(steps) and steps[i][1].startswith(who):
                        group.append(steps[i][1][len(who):])
                        i += 1
                    self.any_order(self.conns[who.split()[0]], group)
                    continue
                self.step(line)
                i += 1
            line, no = 'end of transcript', no + 1
            self.finish()
            return []
        except Bad as e:
            return ['line %d: %s' % (no, line if len(line) < 400 else line[:400] + '…')] + ['    ' + x for x in str(e).split('\n')]
        except Exception as e:
            return ['line %d: %s' % (no, line[:400]), '    %s: %s' % (type(e).__name__, e)]
        finally:
            for c in self.conns.values():
                c.close()
            with self.stubs.lock:
                for s in self.mine:
                    self.stubs.wanted.remove(s)

    def finish(self):
        with self.stubs.lock:
            ok = self.stubs.lock.wait_for(lambda: all(s['seen'] >= s['min'] for s in self.mine), WAIT)
            if not ok:
                s = next(s for s in self.mine if s['seen'] < s['min'])
                near = [g for p, g in self.stubs.strays if p == s['path']]
                lines = ['stub %s was called %d times, expected %d' % (s['path'], s['seen'], s['min'])]
                if near:
                    lines += ['other request: ' + show(near[-1])] + (diff(s['req'], near[-1], dict(s['var'])) if s['req'] is not None else [])
                raise Bad('\n'.join(lines))
        for name, c in self.conns.items():
            item = c.take(0.02)
            if item and item[0] != 'eof':
                raise Bad('%s: unexpected %s' % (name, self.text(item)))

    def text(self, item):
        if item is None:
            return 'nothing within %g s' % WAIT
        if item[0] == 'msg':
            return show(item[1])
        return ' '.join(str(x) for x in item)

    def obj(self, t):
        return json.loads(expand(t, self.var))

    def any_order(self, c, group):
        left = [self.obj(g) for g in group]
        for _ in group:
            item = c.take(WAIT)
            if not item or item[0] != 'msg':
                raise Bad('got ' + self.text(item))
            for e in left:
                if not check(e, item[1], self.var):
                    left.remove(e)
                    break
            else:
                raise Bad('got %s\nwhich is none of\n%s' % (show(item[1]), '\n'.join(show(e) for e in left)))

    def args(self, t):
        """headers, JSON or text or hex body, rest  of  [H"k: v"]… [BODY]"""
        headers, body = {}, None
        t = t.strip()
        while t:
            if t.startswith('H"'):
                j = json_end(t, 1)
                k, _, v = json.loads(expand(t[1:j], self.var)).partition(':')
                headers[k.strip()] = v.strip()
            elif t.startswith('text '):
                j = json_end(t, 5)
                body = ('text', json.loads(expand(t[5:j], self.var)))
            elif t.startswith('like '):
                j = json_end(t, 5)
                body = ('like', json.loads(t[5:j]))
            elif t.startswith('hex '):
                j = len(t)
                body = ('hex', bytes.fromhex(t[4:]))
            else:
                j = json_end(t)
                body = ('json', t[:j])
            t = t[j:].strip()
        return headers, body

    def split(self, t):
        """text before and after the arrow"""
        i, quoted = 0, False
        while i < len(t):
            if t.startswith('{{', i):
                i = macro_end(t, i)
                continue
            if t[i] == '\\' and quoted:
                i += 1
            elif t[i] == '"':
                quoted = not quoted
            elif not quoted and t.startswith(' => ', i):
                return t[:i], t[i + 4:]
            i += 1
        return t, None

    def body_bytes(self, body):
        if body is None:
            return b''
        return expand(body[1], self.var).encode() if body[0] == 'json' else body[1] if body[0] == 'hex' else body[1].encode()

    def answer(self, want, status, headers, text):
        """compares an HTTP answer with  STATUS [H..] [BODY]"""
        code, _, rest = want.partition(' ')
        out = [] if int(code) == status else ['status %d, expected %s' % (status, code)]
        hs, body = self.args(rest)
        for k, v in hs.items():
            got = headers.get(k.lower())
            if v == '-':
                out += ['header %s: unexpected %r' % (k, got)] if got is not None else []
            elif got != v:
                out.append('header %s: %r, expected %r' % (k, got, v))
        if body and body[0] == 'like':
            if not re.search(body[1], text):
                out.append('body %r, nothing like %r' % (text, body[1]))
        elif body and body[0] == 'text':
            if text != body[1]:
                out.append('body %r, expected %r' % (text, body[1]))
        elif body:
            try:
                out += check(self.obj(body[1]), json.loads(text), self.var)
            except ValueError:
                out.append('body %r is not JSON' % text)
        if out:
            raise Bad('\n'.join(out + ['body: ' + text[:500]]))

    def http(self, verb, path, headers, body):
        h = http_link(self.port, 10)
        try:
            h.request(verb, path, body, headers)
            r = h.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read().decode('utf-8', 'replace')
        finally:
            h.close()

    def call(self, line):
        """runs an api or http step -> (status, headers, text), expectation"""
        ask, want = self.split(line)
        word, rest = ask.split(' ', 1)
        if word == 'api':
            method, _, rest = rest.partition(' ')
            headers, body = self.args(rest)
            headers.setdefault('X-API-Key', 'apikey')
            verb, path = 'POST', '/api/' + method
        else:
            verb, path, *more = rest.split(' ', 2)
            headers, body = self.args(more[0] if more else '')
            path = expand(path, self.var)
        data = self.body_bytes(body)
        headers.setdefault('Content-Type', 'application/json')
        return self.http(verb, path, {k: v for k, v in headers.items() if v != '-'}, data), want

    def step(self, line):
        word, _, rest = line.partition(' ')
        if word in ('api', 'http'):
            got, want = self.call(line)
            return self.answered(line, got, want)
        if word == 'until':
            end = clock() + WAIT
            while True:
                got, want = self.call(rest)
                try:
                    return self.answer(want, *got)
                except Bad:
                    if clock() > end:
                        raise
                self.pause(0.05)
        if word == 'sleep':
            return self.pause(seconds(rest))
        if word == 'set':
            name, _, value = rest.partition(' ')
            self.var[name] = self.obj(value)
            return
        if word == 'stub':
            return self.stub(rest)
        verb, _, rest = rest.partition(' ')
        if verb == 'open':
            return self.open(word, rest, line)
        c = self.conns[word]
        if verb in ('>', '>+'):
            j = json_end(rest)
            o = self.obj(rest[:j])
            text = expand(rest[:j], self.var)
            if '\\u0001' in text:
                raise Bad('a matcher or an unknown variable in a sent message')
            if c.binary and '| ' in rest[j:]:
                given = bytes.fromhex(rest[j:].split('| ', 1)[1])
                own = pb_encode('Command', o)
                if varint(len(own)) + own != given:
                    raise Bad('transcript error: hex and JSON disagree, own encoding %s' % (varint(len(own)) + own).hex())
            c.note(o)
            c.held.append((o, text))
            if verb == '>':
                held, c.held = c.held, []
                c.send([x for x, _ in held], [x for _, x in held])
        elif verb == '>text':
            t = json.loads(expand(rest, self.var))
            for x in t.split('\n'):
                try:
                    c.note(json.loads(x))
                except ValueError:
                    pass
            if not hasattr(c, 'frame'):
                c.send([], [t])
            else:
                c.frame(t.encode(), 1)
        elif verb == '>hex':
            c.frame(bytes.fromhex(rest), 2)
        elif verb == '>ctl':
            op, _, t = rest.partition(' ')
            c.frame(bytes.fromhex(t), {'ping': 9, 'pong': 10, 'close': 8, 'frag': 1, 'cont': 0, 'odd': 3}[op], 0 if op == 'frag' else 0x80)
        elif verb == '<':
            j = json_end(rest)
            item = c.take(WAIT)
            if not item or item[0] != 'msg':
                raise Bad('got ' + self.text(item))
            d = check(self.obj(rest[:j]), item[1], self.var)
            if not d and self.strict and '| ' in rest[j:] and isinstance(item[2], bytes) and item[2] != bytes.fromhex(rest[j:].split('| ', 1)[1]):
                d = ['bytes ' + item[2].hex()]
            if d:
                raise Bad('\n'.join(d + ['got ' + show(item[1])]))
        elif verb == '<text':
            item = c.take(WAIT)
            if not item or item[0] != 'msg' or item[2] != json.loads(expand(rest, self.var)):
                raise Bad('got %s' % (json.dumps(item[2], ensure_ascii=False) if item and item[0] == 'msg' and isinstance(item[2], str) else self.text(item)))
        elif verb == '<ctl':
            item = c.take(WAIT)
            if not item or item[0] != 'ctl' or item[1] != rest:
                raise Bad('got ' + self.text(item))
        elif verb == 'closed':
            item = c.take(max(WAIT, 6))
            code, _, reason = rest.partition(' ')
            if not item or item[0] != 'close' or str(item[1]) != code or item[2] != reason:
                raise Bad('got ' + self.text(item))
        elif verb == 'ends':                                # as closed, whatever messages come before
            item = c.take(max(WAIT, 6))
            while item and item[0] == 'msg':
                item = c.take(max(WAIT, 6))
            code, _, reason = rest.partition(' ')
            if not item or item[0] != 'close' or str(item[1]) != code or item[2] != reason:
                raise Bad('got ' + self.text(item))
        elif verb == 'eof':
            item = c.take(max(WAIT, 8))
            if not item or item[0] != 'eof':
                raise Bad('got ' + self.text(item))
        elif verb == 'silent':
            item = c.take(seconds(rest))
            if item:
                raise Bad('got ' + self.text(item))
        elif verb == 'close':
            c.close()
            del self.conns[word]
        else:
            raise ValueError('unknown step')

    def answered(self, line, got, want):
        self.answer(want, *got)

    def stub(self, rest):
        ask, want = self.split(rest)
        path, _, ask = ask.partition(' ')
        headers, body = self.args(ask)
        status, _, tail = want.partition(' ')
        opts = {'after': '0s', 'times': '1'}
        text = None
        if tail.startswith('text '):
            j = json_end(tail, 5)
            text, resp = json.loads(tail[5:j]), ''
        else:
            j = json_end(tail)
            resp = tail[:j]
        words = tail[j:].split()
        opts.update(zip(words[::2], words[1::2]))
        lo, _, hi = opts['times'].partition('-')
        s = {'path': path, 'headers': headers, 'req': None if body is None or body[1] == '?' else self.obj(body[1]), 'status': int(status), 'resp': resp, 'text': text,
             'delay': seconds(opts['after']), 'left': int(hi or lo), 'min': int(lo), 'seen': 0, 'var': self.var, 'got': None}
        self.mine.append(s)
        with self.stubs.lock:
            self.stubs.wanted.append(s)
        return s

    def open(self, name, rest, line):
        ask, want = self.split(rest)
        words = ask.split(' ', 1)
        kind, more = words[0], words[1] if len(words) > 1 else ''
        path = PATHS[kind]
        if more.startswith(('/', '?')):
            p, _, more = more.partition(' ')
            p = expand(p, self.var)
            path = p if p.startswith('/') else path + p
        post = more.startswith('POST')
        more = more[4:].strip() if post else more
        headers, body = self.args(more)
        data = self.body_bytes(body)
        if name in self.conns:
            self.conns[name].close()
        if kind in ('ws', 'wspb', 'uni_ws'):
            if body:
                path += ('&' if '?' in path else '?') + 'cf_connect=' + urllib.parse.quote(data.decode())
            c = WS(kind, self.port, path, headers)
        else:
            verb = 'POST'
            if kind.endswith('sse') and not post:
                verb = 'GET'
                if body:
                    path += ('&' if '?' in path else '?') + 'cf_connect=' + urllib.parse.quote(data.decode())
                    data = b''
            if kind == 'http_stream_pb':
                headers.setdefault('Content-Type', 'application/octet-stream')
                if body[0] == 'json':
                    e = pb_encode('Command', self.obj(body[1]))
                    data = varint(len(e)) + e
            c = Stream(kind, self.port, verb, path, headers, data or None)
        self.conns[name] = c
        self.opened(line, c, want or ('101' if kind in ('ws', 'wspb', 'uni_ws') else '200'))

    def opened(self, line, c, want):
        self.answer(want, c.status, c.headers, c.body)

# ---------------------------------------------------------------- servers and the suite
class Server:
    def __init__(self, config, port, stub_port, cmd, more=()):
        self.dir = tempfile.mkdtemp(prefix='wire-')
        text = open(config, encoding='utf-8').read().replace('{{stub}}', 'http://127.0.0.1:%d' % stub_port)
        cfg = json.loads(text)
        cfg.setdefault('http_server', {}).update(address='127.0.0.1', port=port)
        for item in more:
            put(cfg, *item.split('=', 1))
        path = os.path.join(self.dir, 'config.json')
        json.dump(cfg, open(path, 'w'))
        self.log = open(os.path.join(self.dir, 'log'), 'wb')
        self.proc = subprocess.Popen(['/bin/sh', '-c', 'exec ' + cmd], cwd=self.dir, stdout=self.log, stderr=self.log,
                                     env=dict(os.environ, CONFIG=path, PORT=str(port)))
        end = time.time() + 20
        while time.time() < end:
            if self.proc.poll() is not None:
                break
            try:
                socket.create_connection(('127.0.0.1', port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        tail = open(os.path.join(self.dir, 'log'), errors='replace').read()[-1500:]
        self.stop()
        raise RuntimeError('server did not start with %s:\n%s' % (os.path.basename(config), tail))

    def stop(self):
        """-> what is wrong with how the server ended, or None"""
        bad = None
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(10)
            except subprocess.TimeoutExpired:
                bad = 'server did not end within 10 s of SIGTERM'
                self.proc.kill()
                self.proc.wait()
        self.log.close()
        if not bad and self.proc.returncode != 0:
            log = open(os.path.join(self.dir, 'log'), errors='replace').read()
            bad = 'server ended with status %d:\n%s' % (self.proc.returncode, log[-6000:])
        shutil.rmtree(self.dir, ignore_errors=True)
        return bad

def put(cfg, key, value):
    *parts, last = key.split('.')
    for part in parts:
        cfg = cfg.setdefault(part, {})
    cfg[last] = json.loads(value)

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def find_config(t):
    name = t.head.get('config', 'base') + '.json'
    for d in (os.path.join(os.path.dirname(os.path.abspath(t.path)), 'configs'), os.path.join(HERE, 'configs'),
              os.path.join(os.path.dirname(os.path.abspath(t.path)), '..', 'configs')):
        if os.path.exists(os.path.join(d, name)):
            return os.path.join(d, name)
    raise SystemExit('no configuration %s for %s' % (name, t.path))

def main():
    ap = argparse.ArgumentParser(description='replay .wire transcripts; SERVER_CMD starts a server from $CONFIG on $PORT')
    ap.add_argument('paths', nargs='*', help='.wire files or folders (default: the folder of this program)')
    ap.add_argument('-j', type=int, default=8, help='transcripts at a time (default 8)')
    ap.add_argument('-k', default='', help='only transcripts whose path contains this')
    ap.add_argument('-c', default='', help='only this configuration')
    ap.add_argument('--strict', action='store_true', help='also compare recorded Protobuf bytes')
    ap.add_argument('--no-optional', action='store_true', help='skip transcripts marked "quirk: optional"')
    ap.add_argument('-v', action='store_true', help='name every transcript')
    ap.add_argument('-o', action='append', default=[], metavar='KEY=JSON', help='put this into every configuration, e.g. threads=4')
    ap.add_argument('--tls', action='store_true', help='all of it over TLS, with the certificate of $PEAL_TLS_CERT and $PEAL_TLS_KEY')
    a = ap.parse_args()
    if a.tls:
        global TLS
        TLS = ssl.create_default_context(cafile=os.environ['PEAL_TLS_CERT'])
        a.o += ['http_server.tls.enabled=true'] + ['http_server.tls.%s_pem=%s' % (x.lower(), json.dumps(os.path.abspath(os.environ['PEAL_TLS_' + x])))
                                                  for x in ('CERT', 'KEY')]
    peal = os.path.abspath(os.environ.get('PEAL_BIN', os.path.join(ROOT, 'build', 'peal')))
    cmd = os.environ.get('SERVER_CMD', shlex.quote(peal) + ' serve --config "$CONFIG"')
    files = []
    for p in a.paths or [HERE]:
        files += [p] if p.endswith('.wire') else glob.glob(os.path.join(p, '**', '*.wire'), recursive=True)
    groups, passed, failed, skipped = {}, 0, 0, 0
    for f in sorted(files):
        t = Transcript(f)
        if a.k not in f or (a.c and t.head.get('config', 'base') != a.c):
            continue
        if a.no_optional and t.head.get('quirk') == 'optional':
            skipped += 1
            continue
        groups.setdefault(find_config(t), []).append(t)
    for config, ts in sorted(groups.items()):
        port = free_port()
        stubs = Stubs(0)
        try:
            server = Server(config, port, stubs.port, cmd, a.o)
        except RuntimeError as e:
            print('FAILED %s (%d transcripts): %s' % (os.path.basename(config), len(ts), e), flush=True)
            failed += len(ts)
            stubs.server.shutdown()
            stubs.server.server_close()
            continue
        serial = [t for t in ts if 'serial' in t.head.get('tags', '')]
        rest = [t for t in ts if t not in serial]
        rest.sort(key=lambda t: 'slow' not in t.head.get('tags', ''))
        start = time.time()
        def one(t):
            return t, Run(t, port, stubs, a.strict).run()
        with concurrent.futures.ThreadPoolExecutor(a.j) as pool:
            results = pool.map(one, rest)
            for t, bad in list(results) + [one(t) for t in serial]:
                if bad:
                    failed += 1
                    quirk = ' [quirk: %s]' % t.head['quirk'] if 'quirk' in t.head else ''
                    print('FAILED %s%s — %s' % (os.path.relpath(t.path), quirk, t.head.get('title', '')))
                    print('\n'.join('  ' + x for x in bad), flush=True)
                else:
                    passed += 1
                    if a.v:
                        print('passed', os.path.relpath(t.path))
        bad = server.stop()
        if bad:
            failed += 1
            print('FAILED %s: %s' % (os.path.basename(config), bad), flush=True)
        stubs.server.shutdown()
        stubs.server.server_close()
        if a.v:
            print('%s: %d transcripts in %.1f s' % (os.path.basename(config), len(ts), time.time() - start), flush=True)
    print('SUITE transcripts: %d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed or not passed else 0

if __name__ == '__main__':
    sys.exit(main())
