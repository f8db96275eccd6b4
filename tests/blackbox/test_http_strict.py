"""HTTP/1.1 heads and bodies that proxies and servers read differently: each is refused, and the connection closed, so that
nothing behind it is ever taken for a request (RFC 9112; request smuggling)."""
import pytest

from harness import KEY, exchange

API = "POST /api/info HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY + "\r\n"
GET = "GET /health HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = "GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n"

# name, bytes, status. All of them must close, and a request smuggled behind must not be answered.
REFUSED = [
    # length of the body
    ("two equal lengths", API + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("two different lengths", API + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    ("list of equal lengths", API + "Content-Length: 2, 2\r\n\r\n{}", 400),
    ("list of lengths", API + "Content-Length: 2, 3\r\n\r\n{}", 400),
    ("negative length", API + "Content-Length: -2\r\n\r\n{}", 400),
    ("length with plus", API + "Content-Length: +2\r\n\r\n{}", 400),
    ("hexadecimal length", API + "Content-Length: 0x2\r\n\r\n{}", 400),
    ("length with a letter", API + "Content-Length: 2a\r\n\r\n{}", 400),
    ("length with a space inside", API + "Content-Length: 2 2\r\n\r\n{}", 400),
    ("empty length", API + "Content-Length: \r\n\r\n", 400),
    ("length with a dot", API + "Content-Length: 2.0\r\n\r\n{}", 400),
    ("length with an exponent", API + "Content-Length: 1e1\r\n\r\n{}", 400),
    ("length in quotes", API + 'Content-Length: "2"\r\n\r\n{}', 400),
    ("length with NUL", API + "Content-Length: 2\0\r\n\r\n{}", 400),
    ("length over 64 bits", API + "Content-Length: 18446744073709551618\r\n\r\n{}", 400),
    ("length just under 2^64", API + "Content-Length: 18446744073709551615\r\n\r\n{}", (400, 413)),
    # transfer coding
    ("length and chunked", API + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunked and length", API + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunked twice", API + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunked, chunked", API + "Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("identity coding", API + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", (400, 501)),
    ("unknown coding", API + "Transfer-Encoding: cow\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 501)),
    ("gzip, chunked", API + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 501)),
    ("chunked, identity", API + "Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 501)),
    ("xchunked", API + "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 501)),
    ("chunked with a tab in front of the colon", API + "Transfer-Encoding\t: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunked with a vertical tab", API + "Transfer-Encoding: \x0bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 501)),
    ("chunked in quotes", API + 'Transfer-Encoding: "chunked"\r\n\r\n2\r\n{}\r\n0\r\n\r\n', (400, 501)),
    ("chunked with a parameter", API + "Transfer-Encoding: chunked;a=b\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 501)),
    ("empty coding", API + "Transfer-Encoding: \r\n\r\n", (400, 501)),
    ("chunked in HTTP/1.0", API.replace("1.1", "1.0") + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    # chunks
    ("chunk size with plus", API + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunk size with 0x", API + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400),
    ("negative chunk size", API + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400),
    ("no chunk size", API + "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n", 400),
    ("chunk size is a word", API + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    ("chunk size over 64 bits", API + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", (400, 413)),
    ("chunk size of 2^64-1", API + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n", (400, 413)),
    ("space in front of a chunk size", API + "Transfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n", 400),
    ("space behind a chunk size", API + "Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n", 400),
    ("bare LF behind a chunk size", API + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", 400),
    ("bare LF behind a chunk", API + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n", 400),
    ("bare CR behind a chunk size", API + "Transfer-Encoding: chunked\r\n\r\n2\r{}\r\n0\r\n\r\n", 400),
    ("chunk longer than its size", API + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", 400),
    ("LF in a chunk extension", API + "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n", 400),
    ("bare LF ends the last chunk", API + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\n\n", 400),
    ("length in the trailer with a space", API + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length : 5\r\n\r\n", 400),
    # lines
    ("bare LF line ends", GET.replace("\r\n", "\n") + "\n", 400),
    ("bare LF behind the request line", "GET /health HTTP/1.1\nHost: x\r\n\r\n", 400),
    ("bare LF behind a field", GET + "A: b\nC: d\r\n\r\n", 400),
    ("bare CR in a field", GET + "A: b\rC: d\r\n\r\n", 400),
    ("bare CR in the request line", "GET /health\r HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("bare LF ends the head", GET.rstrip("\r\n") + "\r\n\n", 400),
    ("folded field", GET + "A: b\r\n c\r\n\r\n", 400),
    ("folded with a tab", GET + "A: b\r\n\tc\r\n\r\n", 400),
    ("first field starts with a space", "GET /health HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("NUL in a field", GET + "A: b\0c\r\n\r\n", 400),
    ("NUL in a name", GET + "A\0: b\r\n\r\n", 400),
    ("NUL in the target", "GET /hea\0lth HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("DEL in a field", GET + "A: b\x7f\r\n\r\n", 400),
    ("control character in a field", GET + "A: b\x01\r\n\r\n", 400),
    ("space in front of the colon", GET + "A : b\r\n\r\n", 400),
    ("space in front of Content-Length's colon", API + "Content-Length : 2\r\n\r\n{}", 400),
    ("field without a colon", GET + "Abc\r\n\r\n", 400),
    ("empty field name", GET + ": b\r\n\r\n", 400),
    ("space in a name", GET + "A b: c\r\n\r\n", 400),
    ("brackets in a name", GET + "A(b): c\r\n\r\n", 400),
    ("8-bit letter in a name", GET + "\xe4: c\r\n\r\n", 400),
    # Host
    ("no Host", "GET /health HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", "GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    ("two different Hosts", "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ("Host with a space", "GET /health HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    ("Host with a path", "GET /health HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    ("Host with a user", "GET /health HTTP/1.1\r\nHost: a@x\r\n\r\n", 400),
    # request line
    ("two spaces", "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("tab for a space", "GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("space behind the version", "GET /health HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    ("no version", "GET /health\r\nHost: x\r\n\r\n", 400),
    ("HTTP/0.9", "GET /health HTTP/0.9\r\nHost: x\r\n\r\n", (400, 505)),
    ("HTTP/2.0", "GET /health HTTP/2.0\r\nHost: x\r\n\r\n", (400, 505)),
    ("HTTP/1.10", "GET /health HTTP/1.10\r\nHost: x\r\n\r\n", (400, 505)),
    ("http/1.1 in small letters", "GET /health http/1.1\r\nHost: x\r\n\r\n", (400, 505)),
    ("another protocol", "GET /health ICE/1.1\r\nHost: x\r\n\r\n", (400, 505)),
    ("target with a space", "GET /he alth HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("target without a slash", "GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("target with a fragment", "GET /health#a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("8-bit target", "GET /he\xe4lth HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("method with a slash", "GE/T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405, 501)),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    ("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a" * 32 + "\r\n\r\n", 400),
    # expectations
    ("unknown expectation", API + "Content-Length: 2\r\nExpect: tea\r\n\r\n{}", 417),
]


@pytest.mark.parametrize("name,data,status", REFUSED, ids=[r[0] for r in REFUSED])
def test_refused(server, name, data, status):
    answers, state = exchange(server, (data + SMUGGLED).encode("latin-1"))
    assert len(answers) == 1, f"{name}: {answers}"
    got = answers[0][0]
    assert got == status or (isinstance(status, tuple) and got in status), answers
    assert state == "closed", "the connection must not go on after a request that others may have read differently"
    assert answers[0][1].get("connection", "").lower() == "close"


ALLOWED = [
    ("empty line in front", "\r\n" + GET + "\r\n", 200),
    ("no space behind the colon", GET + "A:b\r\n\r\n", 200),
    ("spaces around a value", GET + "A: \t b \t\r\n\r\n", 200),
    ("empty value", GET + "A:\r\n\r\n", 200),
    ("8-bit value", GET + "A: \xe4\r\n\r\n", 200),
    ("any case of names", "GET /health HTTP/1.1\r\nhOST: x\r\n\r\n", 200),
    ("Host with a port", "GET /health HTTP/1.1\r\nHost: x:8000\r\n\r\n", 200),
    ("Host in brackets", "GET /health HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 200),
    ("empty Host", "GET /health HTTP/1.1\r\nHost:\r\n\r\n", 200),
    ("absolute target", "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ("query", "GET /health?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ("one length", API + "Content-Length: 2\r\n\r\n{}", 200),
    ("length with zeros", API + "Content-Length: 0002\r\n\r\n{}", 200),
    ("chunked", API + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200),
    ("Chunked", API + "Transfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200),
    ("chunks of one byte", API + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200),
    ("zeros in a chunk size", API + "Transfer-Encoding: chunked\r\n\r\n0002\r\n{}\r\n000\r\n\r\n", 200),
    ("chunk extension", API + 'Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n', 200),
    ("trailer", API + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n", 200),
    ("OPTIONS of everything", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", (200, 204, 404, 405)),
    ("unknown method", "BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", (200, 405, 501)),
    ("unknown path", "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("slash at the end", "GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("dot segments are not resolved", "GET /a/../health HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404)),
]


@pytest.mark.parametrize("name,data,status", ALLOWED, ids=[r[0] for r in ALLOWED])
def test_allowed(server, name, data, status):
    """What RFC 9112 lets pass is served, and the connection stays usable."""
    answers, state = exchange(server, (data + SMUGGLED).encode("latin-1"))
    got = [a[0] for a in answers]
    assert got[:1] == [status] or (isinstance(status, tuple) and got[0] in status), answers
    if got[0] not in (400, 501):
        assert got[1:] == [200], f"{name}: the next request on the connection: {answers}"


def test_unknown_path_answers_as_centrifugo_does(server):
    status, _, body = server.http("GET", "/nothing")
    assert (status, body) == (404, "404 page not found\n")


def test_body_over_the_api_limit_is_refused_before_it_is_read(start):
    s = start(cfg=None)
    head = API + "Content-Length: 99999999999\r\n\r\n"
    answers, state = exchange(s, head.encode())
    assert answers[0][0] == 413 and state == "closed"


def test_chunked_body_over_the_limit_is_refused(start):
    from harness import config
    s = start(cfg=config(http_server={"max_body_size": 1024}))
    body = API + "Transfer-Encoding: chunked\r\n\r\n" + ("100\r\n" + "a" * 256 + "\r\n") * 5
    answers, state = exchange(s, body.encode())
    assert answers[0][0] == 413 and state == "closed"
