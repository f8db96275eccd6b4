"""WebSocket framing as a peer sees it: close codes, limits, fragments (RFC 6455 5 to 8)."""
import json
import struct
import time
import zlib

import pytest

from harness import Closed, Ws, config, frame

CONNECT = '{"id":1,"connect":{}}'


def close_code(ws):
    with pytest.raises(Closed) as e:
        while True:
            ws.recv_frame()
    return e.value.code


# name, bytes after the handshake, close code
BAD = [
    ("unmasked frame", b"\x81\x05hello", 1002),
    ("reserved bit 1", frame(b"a", rsv=0x40), 1002),
    ("reserved bit 2", frame(b"a", rsv=0x20), 1002),
    ("reserved bit 3", frame(b"a", rsv=0x10), 1002),
    ("opcode 3", frame(b"a", op=3), 1002),
    ("opcode 7", frame(b"a", op=7), 1002),
    ("opcode 11", frame(b"a", op=11), 1002),
    ("opcode 15", frame(b"a", op=15), 1002),
    ("fragmented ping", frame(b"a", op=9, fin=False), 1002),
    ("long ping", frame(b"a" * 126, op=9), 1002),
    ("long close", frame(b"\x03\xe8" + b"a" * 124, op=8), 1002),
    ("continuation of nothing", frame(b"a", op=0), 1002),
    ("text inside a message", frame(b"a", fin=False) + frame(b"b"), 1002),
    ("length in too many bytes", b"\x81\xfe\x00\x05\0\0\0\0hello", 1002),
    ("length in eight bytes for 126", b"\x81\xff" + struct.pack(">Q", 126) + b"\0" * 130, 1002),
    ("length with the top bit", b"\x81\xff" + struct.pack(">Q", 1 << 63) + b"\0\0\0\0", 1002),
    ("a length of 2^62", b"\x81\xff" + struct.pack(">Q", 1 << 62) + b"\0\0\0\0", 1009),
    ("message over the limit", b"\x81\xff" + struct.pack(">Q", 65537) + b"\0\0\0\0", 1009),
    ("fragments over the limit", b"".join(frame(b"a" * 1000, op=0 if i else 1, fin=False) for i in range(70)), 1009),
    ("invalid UTF-8", frame(b"\xff\xfe"), 1007),
    ("cut UTF-8", frame(b"{\xe2\x82"), 1007),
    ("surrogate", frame(b"\xed\xa0\x80"), 1007),
    ("overlong", frame(b"\xc0\xaf"), 1007),
    ("invalid UTF-8 in an unfinished message", frame(b"\xff", fin=False), 1007),
    ("close with one byte", frame(b"\x03", op=8), 1002),
    ("close 1005", frame(b"\x03\xed", op=8), 1002),
    ("close 1006", frame(b"\x03\xee", op=8), 1002),
    ("close 1015", frame(b"\x03\xf7", op=8), 1002),
    ("close 999", frame(struct.pack(">H", 999), op=8), 1002),
    ("close 2999", frame(struct.pack(">H", 2999), op=8), 1002),
    ("close 5000", frame(struct.pack(">H", 5000), op=8), 1002),
    ("close with invalid UTF-8", frame(b"\x03\xe8\xff", op=8), (1002, 1007)),
]


@pytest.mark.parametrize("name,data,code", BAD, ids=[b[0] for b in BAD])
def test_close_code(server, name, data, code):
    ws = Ws(server)
    ws.raw(data)
    got = close_code(ws)
    assert got == code or (isinstance(code, tuple) and got in code)
    ws.close()


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_close_is_echoed(server, code):
    ws = Ws(server)
    ws.raw(frame(struct.pack(">H", code) + "schön".encode(), op=8))
    assert close_code(ws) in (code, 1000)
    ws.close()


def test_close_without_a_code(server):
    ws = Ws(server)
    ws.raw(frame(b"", op=8))
    assert close_code(ws) in (1000, 1005)
    ws.close()


def test_ping_of_125_bytes_comes_back(server):
    ws = Ws(server)
    payload = bytes(range(125))
    ws.raw(frame(payload, op=9))
    assert ws.recv_frame() == (10, payload)
    ws.close()


def test_pings_between_fragments(server):
    ws = Ws(server)
    data = CONNECT.encode()
    ws.raw(frame(data[:5], fin=False) + frame(b"x", op=9) + frame(data[5:9], op=0, fin=False) + frame(b"", op=10) + frame(data[9:], op=0))
    assert ws.recv_frame() == (10, b"x")
    assert "client" in json.loads(ws.recv())["connect"]
    ws.close()


def test_message_in_one_byte_fragments(server):
    ws = Ws(server)
    data = CONNECT.encode()
    for i in range(len(data)):
        ws.raw(frame(data[i:i + 1], op=0 if i else 1, fin=i == len(data) - 1))
    assert "client" in json.loads(ws.recv())["connect"]
    ws.close()


def test_frame_in_single_bytes_of_tcp(server):
    ws = Ws(server)
    for b in frame(CONNECT.encode()):
        ws.raw(bytes([b]))
    assert "client" in json.loads(ws.recv())["connect"]
    ws.close()


def test_limit_is_exact(start):
    """message_size_limit bytes pass, one more closes 1009."""
    s = start(cfg=config(websocket={"message_size_limit": 1000}, rpc={"ping": {"enabled": True}}))
    for size, ok in ((1000, True), (1001, False)):
        ws = Ws(s)
        ws.send(CONNECT)
        ws.recv()
        text = '{"id":2,"rpc":{"method":"ping","data":"' + "a" * 2000
        text = text[:size - 3] + '"}}'
        assert len(text) == size
        ws.send(text)
        if ok:
            assert json.loads(ws.recv()) == {"id": 2, "rpc": {}}
        else:
            assert close_code(ws) == 1009
        ws.close()


def test_binary_frames_are_read_as_text_ones(server):
    """The opcode of JSON is not looked at (wire-protocol.md 1.3)."""
    ws = Ws(server)
    ws.raw(frame(CONNECT.encode(), op=2))
    assert "client" in json.loads(ws.recv())["connect"]
    ws.close()


def test_inflate_limit_stops_a_bomb(start):
    s = start(cfg=config(websocket={"compression": True, "message_size_limit": 65536}))
    ws = Ws(s, headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = z.compress(b" " * (20 << 20)) + z.flush(zlib.Z_SYNC_FLUSH)
    before = s.rss_kb()
    ws.raw(frame(bomb[:-4], rsv=0x40))
    assert close_code(ws) == 1009
    assert s.rss_kb() - before < 8192
    ws.close()


def test_compressed_both_ways(start):
    s = start(cfg=config(websocket={"compression": True}))
    ws = Ws(s, headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    ws.raw(frame((z.compress(CONNECT.encode()) + z.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=0x40))
    ws.need(2, time.monotonic() + 5)
    assert ws.buf[0] & 0x40, "the answer is compressed"
    _, data = ws.recv_frame()
    text = zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")
    assert "client" in json.loads(text)["connect"]
    ws.close()


def test_peer_that_never_answers_the_close_is_dropped(server):
    ws = Ws(server)
    ws.raw(frame(b"a", op=3))
    begin = time.monotonic()
    while True:                                # the close frame, then the end of TCP, though we answer nothing
        ws.sock.settimeout(12)
        d = ws.sock.recv(1000)
        if not d:
            break
    assert time.monotonic() - begin < 9
    ws.close()
