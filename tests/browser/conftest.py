"""A headless Chromium (playwright-core drives the system's), and a page with npm's unmodified centrifuge."""
import http.server
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "blackbox"))
import harness  # noqa: E402
from starter import Starter  # noqa: E402

PAGE = b"""<!doctype html><meta charset=utf-8><title>test</title><script src=/centrifuge.js></script><script>
window.log = [];
function start(url, options) {
  const c = window.c = new Centrifuge(url, { minReconnectDelay: 100, maxReconnectDelay: 400, ...options });
  for (const e of ['connecting', 'connected', 'disconnected', 'error']) c.on(e, x => log.push([e, x.code ?? null, x.reason ?? null]));
  c.connect();
}
function sub(channel, options) {
  const s = window.c.newSubscription(channel, options);
  for (const e of ['subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave', 'error'])
    s.on(e, x => log.push([e, channel, e === 'publication' ? x.data : e === 'join' || e === 'leave' ? x.info.client :
      e === 'subscribed' ? { was: x.wasRecovering, recovered: x.recovered, n: 0 } : x.reason ?? null]));
  s.subscribe();
  return s;
}
function saw(kind, test) { return log.filter(x => x[0] === kind && (!test || test(x))).length; }
</script>"""


class Browser:
    def __init__(self):
        env = {**os.environ, "NODE_PATH": harness.NODE_PATH}
        self.proc = subprocess.Popen([shutil.which("node"), str(HERE / "bridge.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True, bufsize=1, env=env)
        self.n = 0
        self.version = self.answer(60)

    def answer(self, seconds):
        ready, _, _ = select.select([self.proc.stdout], [], [], seconds)
        assert ready, "the browser does not answer"
        got = json.loads(self.proc.stdout.readline() or '{"error":"the browser ended"}')
        assert "error" not in got, got["error"]
        return got["ok"]

    def ask(self, **request):
        self.proc.stdin.write(json.dumps(request) + "\n")
        self.proc.stdin.flush()
        return self.answer(60)

    def open(self, url, **more):
        self.n += 1
        self.ask(page=self.n, open=url, **more)
        return Page(self, self.n)

    def quit(self):
        self.proc.stdin.close()
        try:
            self.proc.wait(15)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.proc.stdout.close()


class Page:
    def __init__(self, browser, n):
        self.browser, self.n = browser, n

    def ask(self, **request):
        return self.browser.ask(page=self.n, **request)

    def eval(self, js):
        return self.ask(eval=js)

    def wait(self, js, ms=15000):
        try:
            return self.ask(wait=js, ms=ms)
        except AssertionError as e:
            log = self.eval("typeof log === 'undefined' ? document.body.innerText : JSON.stringify(log)")
            raise AssertionError(f"{js} did not come true ({e}); the page saw: {log}") from None

    def close(self):
        self.ask(close=True)


@pytest.fixture(scope="session")
def browser():
    if not shutil.which("node") or not os.path.isdir(os.path.join(harness.NODE_PATH, "playwright-core")):
        pytest.skip("node, playwright-core or Chromium is not installed")
    b = Browser()
    yield b
    b.quit()


@pytest.fixture(scope="session")
def site():
    """serves the test page and the package's own bundle -> URL"""
    bundle = (pathlib.Path(harness.NODE_PATH) / "centrifuge" / "dist" / "centrifuge.js").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body, kind = (bundle, "text/javascript") if self.path == "/centrifuge.js" else (PAGE, "text/html")
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{s.server_address[1]}/"
    s.shutdown()
    s.server_close()


@pytest.fixture
def start(tmp_path):
    s = Starter(tmp_path)
    yield s
    s.finish()
