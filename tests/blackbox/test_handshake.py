"""The WebSocket handshake (RFC 6455 4.2), and refusals that tell a person what to mend."""
import pytest

from harness import Refused, Ws, config, exchange


def refused(server, **more):
    with pytest.raises(Refused) as e:
        Ws(server, **more)
    return e.value


@pytest.mark.parametrize("headers", [
    {"Connection": "keep-alive, Upgrade"}, {"Connection": "upgrade"}, {"Upgrade": "WebSocket"}, {"Upgrade": "WEBSOCKET"},
    {"connection": "x,UPGRADE ,y"}, {"Sec-WebSocket-Protocol": "a, b, c"}, {"Sec-WebSocket-Extensions": "x-unknown; a=1, permessage-deflate"},
], ids=str)
def test_tokens_in_any_case_and_in_lists(server, headers):
    leave = [k for k in ("Connection", "Upgrade") if k.lower() in [h.lower() for h in headers]]
    Ws(server, headers=headers, leave=leave).close()


def test_accept_value_is_the_sample_of_the_rfc(server):
    ws = Ws(server, headers={"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert ws.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    ws.close()
    ws = Ws(server, headers={"Sec-WebSocket-Key": "Iv8io/9s+lYFgZWcXczP8Q=="})
    assert ws.headers["sec-websocket-accept"] == "hsBlbuDTkk24srzEOTBUlZAlC2g="
    ws.close()


@pytest.mark.parametrize("version", ["12", "8", "14", "130", "", "13, 8"])
def test_wrong_version_is_426_and_names_13(server, version):
    e = refused(server, headers={"Sec-WebSocket-Version": version})
    assert e.status == 426 and e.headers["sec-websocket-version"] == "13"
    assert "13" in e.body


@pytest.mark.parametrize("leave,word", [(["Upgrade"], "Upgrade"), (["Connection"], "Connection"), (["Upgrade", "Connection"], "Upgrade"),
                                        (["Sec-WebSocket-Key"], "Sec-WebSocket-Key"), (["Sec-WebSocket-Version"], "Sec-WebSocket-Version")],
                         ids=lambda x: str(x))
def test_a_header_that_a_proxy_removed_is_named(server, leave, word):
    e = refused(server, leave=leave)
    assert e.status in (400, 426)
    assert word.lower() in e.body.lower(), e.body
    assert e.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZSE=", "*" * 24])
def test_bad_key_is_400(server, key):
    e = refused(server, headers={"Sec-WebSocket-Key": key})
    assert e.status == 400 and "key" in e.body.lower()


def test_two_keys_are_400(server):
    e = refused(server, headers={"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: Iv8io/9s+lYFgZWcXczP8Q=="})
    assert e.status == 400


def test_a_browser_tab_on_the_endpoint_gets_a_sentence(server):
    status, headers, body = server.http("GET", "/connection/websocket")
    assert status in (400, 426) and len(body) > 20 and "websocket" in body.lower()


def test_post_is_refused(server):
    assert refused(server, verb="POST").status in (400, 405)


def test_unknown_path_is_404(server):
    assert refused(server, path="/connection/websockets").status == 404
    assert refused(server, path="/connection/websocket/").status == 404


def test_http_1_0_is_refused(server):
    data = (b"GET /connection/websocket HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    answers, state = exchange(server, data)
    assert answers[0][0] in (400, 426, 505) and state == "closed"


def test_refused_upgrade_closes_so_that_no_tunnel_stays(server):
    """reliability.md D5: a proxy that saw an upgrade must not keep a pipe to us."""
    data = (b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    answers, state = exchange(server, data)
    assert len(answers) == 1 and state == "closed"


def test_body_in_the_handshake_is_refused(server):
    assert refused(server, headers={"Content-Length": "5"}).status == 400


def test_frames_sent_together_with_the_handshake_are_read(server):
    """A client may not wait for the 101 (and a proxy may glue them): nothing is lost."""
    from harness import frame
    head = (b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    s = server.connect()
    s.sendall(head + frame(b'{"id":1,"connect":{}}'))
    got = b""
    while b'"client"' not in got:
        d = s.recv(65536)
        assert d, got
        got += d
    s.close()


def test_subprotocol_is_one_that_was_offered(server):
    ws = Ws(server, headers={"Sec-WebSocket-Protocol": "foo, centrifuge-json, bar"})
    assert ws.headers["sec-websocket-protocol"] == "centrifuge-json"
    ws.close()
    ws = Ws(server, headers={"Sec-WebSocket-Protocol": "chat, superchat"})
    assert "sec-websocket-protocol" not in ws.headers
    ws.close()


def test_compression_is_answered_as_centrifugo_does(start):
    s = start(cfg=config(websocket={"compression": True}))
    for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=10"):
        ws = Ws(s, headers={"Sec-WebSocket-Extensions": offer})
        assert ws.headers["sec-websocket-extensions"] == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        ws.close()


def test_other_path_and_disabled_endpoint(start):
    s = start(cfg=config(websocket={"handler_prefix": "/rt/ws"}))
    Ws(s, path="/rt/ws").close()
    assert refused(s).status == 404
    s = start(cfg=config(websocket={"disabled": True}))
    assert refused(s).status == 404
