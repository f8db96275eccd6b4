"""The demo page as `./dev serve` shows it: two people chat, quotes move, a restart is told honestly."""
import json
import subprocess
import sys

import pytest

from harness import ROOT, merged

DEMO = json.loads((ROOT / "web" / "demo.json").read_text())
KEY = DEMO["http_api"]["key"]


@pytest.fixture
def demo(start):
    return start(cfg=merged(DEMO, {"demo": {"dir": str(ROOT / "web")}}))


def opened(browser, s, **more):
    page = browser.open(f"http://127.0.0.1:{s.port}/", **more)
    page.wait("document.getElementById('state').dataset.state === 'connected'")
    page.wait("document.querySelectorAll('#people li').length > 0")
    return page


def say(page, text):
    page.ask(fill=["#text", text])
    page.ask(click="#send")


def test_files_are_served_with_their_types(demo):
    for path, kind in (("/", "text/html"), ("/demo.css", "text/css"), ("/demo.js", "text/javascript"), ("/peal-demo.js", "text/javascript"),
                       ("/bell.svg", "image/svg+xml")):
        status, headers, body = demo.http("GET", path)
        assert status == 200 and headers["content-type"].startswith(kind) and body, (path, status, headers)
    for path in ("/../README.md", "/%2e%2e/README.md", "/..%2fREADME.md", "/nothing", "//etc/passwd", "/demo.js/"):
        assert demo.http("GET", path)[0] in (400, 404), path


def test_page_needs_nothing_from_elsewhere():
    for f in (ROOT / "web").iterdir():
        text = f.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "https://cdn" not in text and "@import" not in text
        for word in ("src=\"http", "href=\"http", "url(http"):
            assert word not in text, f.name


def test_two_pages_chat(browser, demo):
    ann, bob = opened(browser, demo), opened(browser, demo, mobile=True)
    for page, name in ((ann, "Ann"), (bob, "Bob")):
        page.ask(fill=["#name", name])
        page.ask(click="#text")
    for page in (ann, bob):
        page.wait("[...document.querySelectorAll('#people li')].map(x => x.textContent).join() === 'Ann,Bob'")
    bob.ask(type=["#text", "h"])
    ann.wait("document.getElementById('typing').textContent === 'Bob is typing…'")
    say(bob, "hello Ann")
    ann.wait("document.querySelectorAll('#messages .message').length === 1")
    assert "hello Ann" in ann.eval("document.querySelector('#messages .message').textContent")
    assert ann.eval("document.getElementById('typing').textContent.trim()") == ""
    say(ann, "<b>not markup</b>")
    bob.wait("document.querySelectorAll('#messages .message').length === 2")
    assert "<b>not markup</b>" in bob.eval("document.querySelectorAll('#messages .message')[1].textContent")
    bob.close()
    ann.wait("document.querySelectorAll('#people li').length === 1")
    late = opened(browser, demo)
    late.wait("document.querySelectorAll('#messages .message').length === 2")
    for page in (ann, late):
        assert page.ask(errors=True) == []
        page.close()


def test_curl_line_of_the_page_works(browser, demo):
    page = opened(browser, demo)
    line = page.eval("document.getElementById('curl-chat').textContent")
    out = subprocess.run(["sh", "-c", line + " -sS"], capture_output=True, text=True, timeout=10)
    assert "result" in json.loads(out.stdout), out
    page.wait("document.querySelector('#messages .message')?.textContent.includes('Hello from a terminal')")
    page.close()


def test_quotes_table_moves(browser, demo):
    p = subprocess.Popen([sys.executable, str(ROOT / "tools" / "demo_quotes.py"), f"http://127.0.0.1:{demo.port}", KEY, "--pid", str(demo.proc.pid)])
    try:
        page = opened(browser, demo)
        page.wait("[...document.querySelectorAll('#quotes tr')].filter(r => r.cells[1].textContent !== '–').length === 6", 30000)
        before = page.eval("document.getElementById('quotes').textContent")
        page.wait(f"document.getElementById('quotes').textContent !== {json.dumps(before)}")
        other = opened(browser, demo)                     # a new page has the last prices at once: cache recovery
        other.wait("[...document.querySelectorAll('#quotes tr')].every(r => r.cells[1].textContent !== '–')", 2000)
        other.close()
        page.close()
    finally:
        p.terminate()
        p.wait(10)


def test_restart_is_told_honestly(browser, demo):
    page = opened(browser, demo)
    say(page, "before the restart")
    page.wait("document.querySelectorAll('#messages .message').length === 1")
    demo.kill()
    page.wait("document.getElementById('state').dataset.state === 'connecting'")
    demo.start()
    page.wait("document.getElementById('state').dataset.state === 'connected'", 25000)
    page.wait("document.querySelector('#messages .notice')?.textContent.includes('cannot tell')")
    say(page, "after the restart")
    page.wait("[...document.querySelectorAll('#messages .message')].some(x => x.textContent.includes('after the restart'))")
    assert page.ask(errors=True) == []
    page.close()


def test_demo_over_tls(browser, start, tmp_path):
    """`./dev serve --tls`: the same page over https and wss."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    s = start(cfg=merged(DEMO, {"demo": {"dir": str(ROOT / "web")}, "http_server": {"tls": {"enabled": True, "cert_pem": str(cert), "key_pem": str(key)}}}))
    page = browser.open(f"https://127.0.0.1:{s.port}/")
    page.wait("document.getElementById('state').dataset.state === 'connected'")
    say(page, "over TLS")
    page.wait("document.querySelectorAll('#messages .message').length === 1")
    page.close()
