"""What the black-box tests share: a server of one's own, raw sockets, a WebSocket client, tokens, the HTTP API.

The client is deliberately our own and small: the tests must be able to send what no library would. Interoperation with
foreign clients is tests/browser's and test_node.py's business."""
import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import time

ROOT = pathlib.Path(os.environ.get("PEAL_ROOT", pathlib.Path(__file__).resolve().parents[2]))
PEAL = os.path.abspath(os.environ.get("PEAL_BIN", ROOT / "build" / "peal"))
NODE_PATH = os.environ.get("NODE_PATH", str(ROOT / ".cache" / "node" / "node_modules"))
SLOWNESS = float(os.environ.get("PEAL_SLOWNESS", "1"))  # how much slower a sanitizer build is; rounds are cut by it
WAIT = 10 * max(1, SLOWNESS / 2)                       # longest wait for something that must come, seconds
SEED = int(os.environ.get("PEAL_SEED", "1"))
KEY = "apikey"
SECRET = "secret"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def merged(base, over):
    """base with over's values; dicts are merged, everything else is replaced."""
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


OPEN = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True, "allow_publish_for_subscriber": True,
        "allow_publish_for_anonymous": True, "presence": True, "allow_presence_for_subscriber": True,
        "allow_presence_for_anonymous": True}
STREAM = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True, "allow_publish_for_client": True,
          "allow_publish_for_anonymous": True, "allow_history_for_client": True, "allow_history_for_anonymous": True,
          "history_size": 1000, "history_ttl": "300s", "force_recovery": True}


def config(**over):
    """An open server for tests: anonymous clients, an open default namespace, `rec` with history and recovery, `room`
    with presence and join/leave."""
    base = {
        "client": {"token": {"hmac_secret_key": SECRET}, "allow_anonymous_connect_without_token": True,
                   "allowed_origins": ["https://app.example"]},
        "http_api": {"key": KEY},
        "health": {"enabled": True},
        "prometheus": {"enabled": True},
        "threads": 2,
        "channel": {"without_namespace": OPEN,
                    "namespaces": [{"name": "rec", **STREAM},
                                   {"name": "room", **OPEN, "join_leave": True, "force_push_join_leave": True},
                                   {"name": "closed"}]},
    }
    return merged(base, over)


class Server:
    """One `peal serve`. Started and reachable after the constructor; stop() checks how it ended."""

    def __init__(self, folder, cfg=None, args=(), env=None, port=None, wait=True, file="config.json", cwd=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cfg = config() if cfg is None else cfg
        self.port = port or free_port()
        self.tls = bool(self.cfg.get("http_server", {}).get("tls", {}).get("enabled"))
        cfg = merged(merged({"http_server": {"address": "127.0.0.1"}}, self.cfg), {"http_server": {"port": self.port}})
        self.path = self.folder / file
        self.path.write_text(json.dumps(cfg))
        self.env, self.args, self.cwd = env, args, cwd
        self.log_path = self.folder / "log"
        self.start(wait)

    def start(self, wait=True):
        self.log = open(self.log_path, "ab")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PEAL_", "CENTRIFUGO_"))}
        env.update(self.env or {})
        self.proc = subprocess.Popen([PEAL, "serve", "--config", str(self.path), *self.args], stdout=self.log,
                                     stderr=self.log, stdin=subprocess.DEVNULL, env=env, cwd=self.cwd or self.folder)
        if wait:
            self.wait_until_up()

    def wait_until_up(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise AssertionError(f"the server ended with status {self.proc.returncode}:\n{self.log_text()}")
            try:
                self.connect(timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the server does not listen:\n" + self.log_text())

    def wait_until_end(self, timeout=10):
        """-> exit status; for servers that must refuse to start"""
        status = self.proc.wait(timeout)
        self.log.close()
        self.may_fail = True
        return status

    def log_text(self):
        return self.log_path.read_text(errors="replace")[-8000:]

    def connect(self, timeout=WAIT, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def is_alive(self):
        return self.proc.poll() is None

    def stop(self, sig=signal.SIGTERM, wait=20, want=0):
        """Ends it and wants a clean end: with a sanitizer build that also means no leak and no report."""
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(wait)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError(f"no end within {wait} s of signal {sig}:\n{self.log_text()}") from None
        self.log.close()
        if want is not None:
            assert self.proc.returncode == want, f"status {self.proc.returncode}:\n{self.log_text()}"

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        self.log.close()

    def rss_kb(self):
        text = pathlib.Path(f"/proc/{self.proc.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    # ---- HTTP
    def http(self, verb, path, body=None, headers=None, port=None, timeout=WAIT):
        """-> (status, headers in lower case, body text)"""
        if self.tls and port is None:
            h = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=trusting())
        else:
            h = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            h.request(verb, path, body, headers or {})
            r = h.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read().decode("utf-8", "replace")
        finally:
            h.close()

    def api(self, method, port=None, **params):
        """The result of an API call; an API error is an assertion."""
        status, _, text = self.http("POST", "/api/" + method, json.dumps(params), {"X-API-Key": KEY}, port=port)
        assert status == 200, (method, status, text)
        answer = json.loads(text)
        assert "error" not in answer, (method, params, answer)
        return answer.get("result", answer)

    def publish(self, channel, data, **more):
        return self.api("publish", channel=channel, data=data, **more)

    def metrics(self):
        status, _, text = self.http("GET", "/metrics")
        assert status == 200, text
        out = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                out[name] = float(value)
        return out

    def until(self, what, timeout=WAIT):
        """Asks until what() is true, and returns that."""
        return until(what, timeout)

    def client(self, **more):
        return Client(self, **more)

    def ws(self, **more):
        return Ws(self, **more)


def until(what, timeout=WAIT):
    end = time.monotonic() + timeout
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def trusting():
    ctx = ssl.create_default_context()
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    return ctx


# ---------------------------------------------------------------- raw HTTP
def read_answer(s, timeout=WAIT):
    """One HTTP answer from a socket -> (status, headers, body). Raises EOFError when the peer closes before one is there."""
    s.settimeout(timeout)
    buf = getattr(s, "peal_rest", b"") if not isinstance(s, ssl.SSLSocket) else b""
    while b"\r\n\r\n" not in buf:
        d = s.recv(65536)
        if not d:
            raise EOFError(buf)
        buf += d
    head, _, rest = buf.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
    if status in (101, 204, 304):
        n = 0
    elif headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while True:
            while b"\r\n" not in rest:
                rest += s.recv(65536)
            size, _, rest = rest.partition(b"\r\n")
            size = int(size.split(b";")[0], 16)
            while len(rest) < size + 2:
                rest += s.recv(65536)
            body += rest[:size]
            rest = rest[size + 2:]
            if size == 0:
                return status, headers, body, rest
    else:
        n = int(headers.get("content-length", 0))
    while len(rest) < n:
        d = s.recv(65536)
        if not d:
            raise EOFError(rest)
        rest += d
    return status, headers, rest[:n], rest[n:]


def exchange(server, data, timeout=WAIT, port=None):
    """Sends raw bytes on a fresh connection -> list of (status, headers, body), and how it ended: "closed" or "open".
    Waits `timeout` for the close only while an answer says that it comes."""
    s = server.connect(port=port)
    try:
        s.sendall(data)
    except OSError:
        pass
    buf, answers = b"", []
    s.settimeout(0.15)
    end = time.monotonic() + timeout
    state = "open"
    while time.monotonic() < end:
        try:
            d = s.recv(65536)
        except socket.timeout:
            got = parse_all(buf)
            if got and got[-1][1].get("connection", "").lower() != "close":
                break
            if not got and time.monotonic() > end - timeout + 1.0:
                break
            continue
        except OSError:
            state = "closed"
            break
        if not d:
            state = "closed"
            break
        buf += d
    answers = parse_all(buf)
    s.close()
    return answers, state


def parse_all(buf):
    out = []
    while b"\r\n\r\n" in buf:
        head, _, rest = buf.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        try:
            status = int(lines[0].split(" ")[1])
        except (IndexError, ValueError):
            return out
        headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
        if status == 100:
            buf = rest
            continue
        n = 0 if status in (101, 204, 304) else int(headers.get("content-length", 0))
        if len(rest) < n:
            return out
        out.append((status, headers, rest[:n]))
        buf = rest[n:]
    return out


# ---------------------------------------------------------------- tokens
def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt(key=SECRET, **claims):
    text = b64u(b'{"alg":"HS256","typ":"JWT"}') + "." + b64u(json.dumps(claims).encode())
    return text + "." + b64u(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


# ---------------------------------------------------------------- WebSocket
class Closed(Exception):
    """The server closed: code and reason of its close frame, or (1006, "") without one."""

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


def frame(data, op=1, fin=True, mask=None, rsv=0):
    mask = os.urandom(4) if mask is None else mask
    n = len(data)
    first = bytes([(0x80 if fin else 0) | rsv | op])
    size = bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
    key = (mask * (n // 4 + 1))[:n]
    return first + size + mask + (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big")


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, status, headers, body):
        super().__init__(status, body)
        self.status, self.headers, self.body = status, headers, body.decode("utf-8", "replace")


class Ws:
    """A WebSocket over a raw socket. `leave` names default handshake headers to omit."""

    def __init__(self, server=None, path="/connection/websocket", headers=None, leave=(), sock=None, ctx=None, before=b"", port=None,
                 name="localhost", verb="GET"):
        self.sock = sock or server.connect(port=port)
        if before:
            self.sock.sendall(before)
        if ctx or (server and server.tls and port is None and sock is None):
            self.sock = (ctx or trusting()).wrap_socket(self.sock, server_hostname=name)
        key = base64.b64encode(os.urandom(16)).decode()
        h = {"Host": "localhost", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
        for k in leave:
            h.pop(k)
        h.update(headers or {})
        text = f"{verb} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in h.items()) + "\r\n"
        self.sock.sendall(text.encode("latin-1"))
        self.buf, self.at_end = b"", False
        status, self.headers, body, self.buf = read_answer(self.sock)
        if status != 101:
            self.sock.close()
            raise Refused(status, self.headers, body)
        want = hashlib.sha1((h["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert self.headers["sec-websocket-accept"] == base64.b64encode(want).decode()

    def send(self, text):
        self.raw(frame(text.encode() if isinstance(text, str) else text))

    def raw(self, data):
        self.sock.settimeout(WAIT)
        self.sock.sendall(data)

    def need(self, n, end):
        while len(self.buf) < n:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            try:
                d = self.sock.recv(262144)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                raise Closed(1006) from None
            except socket.timeout:
                raise TimeoutError from None
            if not d:
                raise Closed(1006)
            self.buf += d

    def recv_frame(self, timeout=WAIT):
        """-> (opcode, payload) of the next frame; a close frame is answered and raised as Closed"""
        end = time.monotonic() + timeout
        self.need(2, end)
        assert not self.buf[1] & 0x80, "the server masked a frame"
        n, at = self.buf[1] & 127, 2
        if n == 126:
            self.need(4, end)
            n, at = struct.unpack(">H", self.buf[2:4])[0], 4
        elif n == 127:
            self.need(10, end)
            n, at = struct.unpack(">Q", self.buf[2:10])[0], 10
        self.need(at + n, end)
        op, data, self.buf = self.buf[0] & 15, self.buf[at:at + n], self.buf[at + n:]
        if op == 8:
            try:
                self.raw(frame(data[:2], 8))
            except OSError:
                pass
            raise Closed(struct.unpack(">H", data[:2])[0] if n >= 2 else 1005, data[2:].decode())
        return op, data

    def recv(self, timeout=WAIT):
        """the next text message; control pings are answered"""
        while True:
            op, data = self.recv_frame(timeout)
            if op == 9:
                self.raw(frame(data, 10))
            elif op == 1:
                return data.decode()

    def has_input(self, timeout):
        return bool(self.buf) or bool(select.select([self.sock], [], [], timeout)[0])

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


class Client:
    """A protocol client in JSON: commands get ids, replies are matched, pushes queue up, pings are answered."""

    def __init__(self, server, connect=True, token=None, pong=True, data=None, subs=None, **ws):
        self.ws = Ws(server, **ws)
        self.ids, self.pushes, self.replies, self.pong, self.pings = itertools.count(1), [], {}, pong, 0
        self.id, self.hello = None, None
        if connect:
            request = {k: v for k, v in (("token", token), ("data", data), ("subs", subs)) if v is not None}
            self.hello = self.call("connect", **request)
            self.id = self.hello["client"]

    def post(self, method, **params):
        """sends a command without waiting -> its id"""
        n = next(self.ids)
        self.ws.send(json.dumps({"id": n, method: params}))
        return n

    def pump(self, timeout):
        for line in self.ws.recv(timeout).split("\n"):
            m = json.loads(line)
            if m == {}:
                self.pings += 1
                if self.pong:
                    self.ws.send("{}")
            elif "push" in m:
                self.pushes.append(m["push"])
            else:
                self.replies[m["id"]] = m

    def reply(self, n, timeout=WAIT):
        end = time.monotonic() + timeout
        while n not in self.replies:
            self.pump(max(0.001, end - time.monotonic()))
        return self.replies.pop(n)

    def ask(self, method, **params):
        """-> the whole reply, which may be an error"""
        return self.reply(self.post(method, **params))

    def call(self, method, **params):
        """-> the result; an error is an assertion"""
        r = self.ask(method, **params)
        assert method in r, (method, params, r)
        return r[method]

    def subscribe(self, channel, **more):
        return self.call("subscribe", channel=channel, **more)

    def publish(self, channel, data):
        return self.call("publish", channel=channel, data=data)

    def push(self, timeout=WAIT):
        end = time.monotonic() + timeout
        while not self.pushes:
            self.pump(max(0.001, end - time.monotonic()))
        return self.pushes.pop(0)

    def pub(self, timeout=WAIT):
        """-> (channel, publication) of the next push, which must be one"""
        p = self.push(timeout)
        assert "pub" in p, p
        return p["channel"], p["pub"]

    def quiet(self, seconds=0.2):
        """nothing but pings may come"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert not self.pushes, self.pushes
            try:
                self.pump(max(0.001, end - time.monotonic()))
            except TimeoutError:
                return

    def closed(self, timeout=WAIT):
        """-> (code, reason) after whatever else still comes"""
        end = time.monotonic() + timeout
        try:
            while True:
                self.pump(max(0.001, end - time.monotonic()))
        except Closed as e:
            return e.code, e.reason

    def close(self):
        self.ws.close()


def peal(*args, timeout=30, **more):
    """Runs the program -> CompletedProcess with text"""
    return subprocess.run([PEAL, *map(str, args)], capture_output=True, text=True, timeout=timeout, **more)
