"""Unmodified npm `centrifuge` in headless Chromium against a real server: the first promise of issue 3."""
import json
import subprocess
import time

import pytest

from harness import KEY, OPEN, STREAM, config, jwt

CFG = config(client={"allowed_origins": ["http://127.0.0.1:*"]}, channel={"namespaces": [
    {"name": "rec", **STREAM}, {"name": "room", **OPEN, **STREAM, "join_leave": True, "force_push_join_leave": True, "presence": True}]})


def curl(server, channel, data):
    body = json.dumps({"channel": channel, "data": data})
    out = subprocess.run(["curl", "-sS", "-H", f"X-API-Key: {KEY}", "-d", body, f"http://127.0.0.1:{server.port}/api/publish"],
                         capture_output=True, text=True, timeout=10, check=True).stdout
    assert "result" in json.loads(out), out


def connected(browser, site, server):
    page = browser.open(site)
    page.eval(f"start('ws://127.0.0.1:{server.port}/connection/websocket')")
    page.wait("saw('connected') === 1")
    return page


def test_connects_subscribes_and_receives_what_curl_published(browser, site, start):
    s = start(cfg=CFG)
    page = connected(browser, site, s)
    page.eval("void sub('rec:news')")
    page.wait("saw('subscribed') === 1")
    for n in range(3):
        curl(s, "rec:news", {"n": n})
    page.wait("saw('publication') === 3")
    assert page.eval("log.filter(x => x[0] === 'publication').map(x => x[2].n)") == [0, 1, 2]
    page.close()


def test_publishes_and_sees_presence_and_join(browser, site, start):
    s = start(cfg=CFG)
    one = connected(browser, site, s)
    one.eval("void (window.s = sub('room:a'))")
    one.wait("saw('subscribed') === 1 && saw('join') === 1")
    two = connected(browser, site, s)
    two.eval("void (window.s = sub('room:a'))")
    one.wait("saw('join') === 2")
    two.wait("saw('subscribed') === 1")
    two.eval("s.publish({text: 'from the browser'})")
    one.wait("saw('publication', x => x[2].text === 'from the browser') === 1")
    assert one.eval("s.presence().then(p => Object.keys(p.clients).length)") == 2
    assert one.eval("s.presenceStats().then(p => [p.numClients, p.numUsers])") == [2, 1]
    assert one.eval("s.history({limit: 10}).then(h => h.publications.map(p => p.data.text))") == ["from the browser"]
    two.close()
    one.wait("saw('leave') === 1")
    one.close()


def test_errors_have_their_codes(browser, site, start):
    s = start(cfg=CFG)
    page = connected(browser, site, s)
    page.eval("void sub('unknown:a')")
    page.wait("saw('unsubscribed') === 1")
    assert page.eval("c.publish('unknown:a', 1).then(() => 0, e => e.code)") == 102
    assert page.eval("c.rpc('nothing', {}).then(() => 0, e => e.code)") == 108
    page.close()


def test_server_is_killed_and_the_client_comes_back_and_is_told_the_truth(browser, site, start):
    """The memory engine forgets at a kill: the SDK reconnects by itself, resubscribes, and is told that nothing was recovered."""
    s = start(cfg=CFG)
    page = connected(browser, site, s)
    page.eval("void sub('rec:kill')")
    page.wait("saw('subscribed') === 1")
    curl(s, "rec:kill", {"n": 1})
    page.wait("saw('publication') === 1")
    s.kill()
    page.wait("saw('connecting') === 2")
    s.start()
    page.wait("saw('connected') === 2 && saw('subscribed') === 2")
    again = page.eval("log.filter(x => x[0] === 'subscribed')[1][2]")
    assert again["was"] is True and again["recovered"] is False
    curl(s, "rec:kill", {"n": 2})
    page.wait("saw('publication', x => x[2].n === 2) === 1")
    page.close()


def test_graceful_stop_is_a_reconnect(browser, site, start):
    s = start(cfg=CFG)
    page = connected(browser, site, s)
    s.stop()
    page.wait("saw('connecting', x => x[1] === 3001 && x[2] === 'shutdown') === 1")
    s.start()
    page.wait("saw('connected') === 2")
    page.close()


def test_lost_connection_recovers_what_was_published_meanwhile(browser, site, start):
    """The server closes the connection (force reconnect); what is published before the SDK is back comes by recovery."""
    s = start(cfg=CFG)
    page = connected(browser, site, s)
    page.eval("void sub('rec:lost')")
    page.wait("saw('subscribed') === 1")
    curl(s, "rec:lost", {"n": 1})
    page.wait("saw('publication') === 1")
    page.eval("c._minReconnectDelay = 1000; c._config && (c._config.minReconnectDelay = 1000, c._config.maxReconnectDelay = 1500)")
    s.api("disconnect", user="", disconnect={"code": 3011, "reason": "force reconnect"})
    page.wait("saw('connecting') === 2")
    for n in (2, 3, 4):
        curl(s, "rec:lost", {"n": n})
    page.wait("saw('connected') === 2 && saw('publication') === 4")
    assert page.eval("log.filter(x => x[0] === 'publication').map(x => x[2].n)") == [1, 2, 3, 4]
    assert page.eval("log.filter(x => x[0] === 'subscribed')[1][2].recovered") is True
    page.close()


def test_final_disconnect_is_not_followed_by_a_reconnect(browser, site, start):
    s = start(cfg=CFG)
    page = connected(browser, site, s)
    s.api("disconnect", user="")
    page.wait("saw('disconnected', x => x[1] === 3503) === 1")
    page.eval("new Promise(r => setTimeout(r, 800))")
    assert page.eval("saw('connecting')") == 1
    page.close()


def test_a_page_of_another_origin_is_refused(browser, site, start):
    s = start(cfg=config(client={"allowed_origins": ["https://app.example"]}))
    page = browser.open(site)
    page.eval(f"start('ws://127.0.0.1:{s.port}/connection/websocket')")
    page.wait("saw('error') > 0")
    assert page.eval("saw('connected')") == 0
    page.close()


def test_expired_token_is_replaced_and_the_connection_made(browser, site, start):
    """Coming back with an expired token: error 109, the SDK gets a new one and tries again."""
    s = start(cfg=CFG)
    page = browser.open(site)
    now = int(time.time())
    old, new = jwt(sub="42", exp=now - 60), jwt(sub="42", exp=now + 300)
    page.eval("window.asked = 0; start('ws://127.0.0.1:%d/connection/websocket', {token: '%s', getToken: () => { asked++; return Promise.resolve('%s'); }})"
              % (s.port, old, new))
    page.wait("saw('connected') === 1")
    assert page.eval("asked") == 1
    assert page.eval("log.filter(x => x[0] === 'error').length") <= 1
    page.close()


def test_token_of_the_cli_lets_the_sdk_in_and_refreshes(browser, site, start):
    s = start(cfg=CFG)
    page = browser.open(site)
    now = int(time.time())
    first, second = jwt(sub="42", exp=now + 3), jwt(sub="42", exp=now + 300)
    page.eval("window.asked = 0; start('ws://127.0.0.1:%d/connection/websocket', {token: '%s', getToken: () => { asked++; return Promise.resolve('%s'); }})"
              % (s.port, first, second))
    page.wait("saw('connected') === 1")
    page.wait("asked === 1", 10000)
    page.eval("new Promise(r => setTimeout(r, 1500))")
    assert page.eval("[saw('connecting'), saw('disconnected')]") == [1, 0]
    assert s.api("presence_stats", channel="room:x")["num_clients"] == 0
    page.close()


@pytest.mark.parametrize("transport", ["sse", "http_stream"])
def test_without_websocket_over_a_stream_and_emulation(browser, site, start, transport):
    """The browser's own EventSource and fetch, from another origin: CORS, commands by POST to any of four shards, recovery."""
    s = start(cfg=config(client={"allowed_origins": ["http://127.0.0.1:*"]}, threads=4, sse={"enabled": True}, http_stream={"enabled": True},
                         channel={"namespaces": [{"name": "rec", **OPEN, **STREAM}]}))
    base = f"http://127.0.0.1:{s.port}"
    page = browser.open(site)
    page.eval(f"start([{{transport: '{transport}', endpoint: '{base}/connection/{transport}'}}], {{emulationEndpoint: '{base}/emulation'}})")
    page.wait("saw('connected') === 1")
    page.eval("void (window.s = sub('rec:a'))")
    page.wait("saw('subscribed') === 1")
    for n in range(20):
        page.eval(f"s.publish({{n: {n}}})")
    page.wait("saw('publication') === 20")
    s.api("disconnect", user="", disconnect={"code": 3011, "reason": "force reconnect"})
    page.wait("saw('connecting', x => x[1] === 3011) === 1")
    curl(s, "rec:a", {"n": 20})
    page.wait("saw('connected') === 2 && saw('publication') === 21")
    assert page.eval("log.filter(x => x[0] === 'publication').map(x => x[2].n)") == list(range(21))
    page.close()
    s.until(lambda: s.api("info")["nodes"][0].get("num_clients", 0) == 0)
