"""TLS on the client listener: versions, ALPN, SNI, wrong input, and the transport over wss as over ws."""
import json
import os
import pathlib
import socket
import ssl

import pytest

from harness import Client, config, read_answer, trusting


def tls_config(certs, **more):
    cert, key = certs["localhost"]
    return config(http_server={"tls": {"enabled": True, "cert_pem": cert, "key_pem": key}, **more})


@pytest.fixture(scope="module")
def tls(module_start, certs):
    return module_start(cfg=tls_config(certs))


def shake(server, lowest, highest, alpn=None, name="localhost", cafile=None):
    ctx = ssl.create_default_context(cafile=cafile) if cafile else trusting()
    ctx.set_ciphers("DEFAULT:@SECLEVEL=0")
    ctx.minimum_version, ctx.maximum_version = lowest, highest
    if alpn:
        ctx.set_alpn_protocols(alpn)
    return ctx.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=10), server_hostname=name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_old_versions_are_refused(tls, version):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(tls, version, version)


@pytest.mark.parametrize("version,name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")], ids=["1.2", "1.3"])
def test_new_versions_are_served(tls, version, name):
    s = shake(tls, version, version)
    assert s.version() == name
    assert "GCM" in s.cipher()[0] or "CHACHA20" in s.cipher()[0]
    assert name == "TLSv1.3" or s.cipher()[0].startswith("ECDHE-"), "forward secrecy"
    s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read_answer(s)[0] == 200
    s.close()


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA384"])
def test_suites_without_forward_secrecy_or_authenticated_encryption_are_refused(tls, suite):
    ctx = trusting()
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    ctx.set_ciphers(suite + ":@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ctx.wrap_socket(tls.connect(), server_hostname="localhost")


def test_alpn_picks_http_1_1(tls):
    s = shake(tls, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, ["h2", "http/1.1"])
    assert s.selected_alpn_protocol() == "http/1.1"
    s.close()


def test_certificate_is_verified_by_a_client_that_trusts_it(tls, certs):
    shake(tls, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, cafile=certs["localhost"][0]).close()
    with pytest.raises(ssl.SSLError):
        shake(tls, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, name="other.example", cafile=certs["localhost"][0])


def test_sessions_resume(tls):
    ctx = trusting()
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    first = ctx.wrap_socket(tls.connect(), server_hostname="localhost")
    session = first.session
    first.close()
    again = ctx.wrap_socket(tls.connect(), server_hostname="localhost", session=session)
    assert again.session_reused
    again.close()


def test_plain_http_on_the_tls_port_ends_quickly(tls):
    s = tls.connect()
    s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    s.settimeout(10)
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    s.close()


def test_chat_over_wss(tls):
    a, b = Client(tls), Client(tls)
    a.subscribe("rec:tls")
    b.subscribe("rec:tls")
    big = "x" * 60000                                   # several TLS records
    a.publish("rec:tls", {"n": 1})
    b.publish("rec:tls", {"n": big})
    assert [b.pub()[1]["data"]["n"] for _ in range(2)] == [1, big]
    tls.publish("rec:tls", {"n": 3})
    assert [a.pub()[1]["offset"] for _ in range(3)] == [1, 2, 3]
    a.close()
    b.close()


def test_tls_bytes_in_single_pieces(tls):
    """Records cut anywhere: a proxy in the test splits what the client sends into single bytes."""
    inner = ssl.MemoryBIO(), ssl.MemoryBIO()
    obj = trusting().wrap_bio(*inner, server_hostname="localhost")
    s = tls.connect()

    def flush():
        data = inner[1].read()
        for b in data:
            s.sendall(bytes([b]))

    def run(f):
        while True:
            try:
                r = f()
                flush()
                return r
            except ssl.SSLWantReadError:
                flush()
                inner[0].write(s.recv(65536))

    run(obj.do_handshake)
    run(lambda: obj.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
    got = b""
    while b"\r\n\r\n{}" not in got:
        got += run(lambda: obj.read(4096))
    assert got.startswith(b"HTTP/1.1 200")
    s.close()


def test_pem_as_text_and_as_base64(start, certs):
    import base64
    cert, key = (pathlib.Path(p).read_text() for p in certs["localhost"])
    start(cfg=config(http_server={"tls": {"enabled": True, "cert_pem": cert, "key_pem": key}})).client().close()
    enc = [base64.b64encode(x.encode()).decode() for x in (cert, key)]
    start(cfg=config(http_server={"tls": {"enabled": True, "cert_pem": enc[0], "key_pem": enc[1]}})).client().close()


def test_client_certificate_is_wanted_where_a_client_ca_is_set(start, certs):
    cert, key = certs["localhost"]
    other = certs["other.example"]
    s = start(cfg=config(http_server={"tls": {"enabled": True, "cert_pem": cert, "key_pem": key, "client_ca_pem": other[0]}}))
    ctx = trusting()
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ctx.wrap_socket(s.connect(), server_hostname="localhost")
    ctx.load_cert_chain(*other)
    c = ctx.wrap_socket(s.connect(), server_hostname="localhost")
    c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert read_answer(c)[0] == 200
    c.close()


def test_several_certificates_are_chosen_by_sni(start, certs):
    """cert_pem may hold several certificates with their own keys in key_pem: the name the client asks for decides."""
    cert = "".join(pathlib.Path(certs[n][0]).read_text() for n in ("localhost", "other.example"))
    key = "".join(pathlib.Path(certs[n][1]).read_text() for n in ("localhost", "other.example"))
    s = start(cfg=config(http_server={"tls": {"enabled": True, "cert_pem": cert, "key_pem": key}}))
    for name in ("localhost", "other.example"):
        shake(s, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, name=name, cafile=certs[name][0]).close()
    with pytest.raises(ssl.SSLError):                     # an unknown name gets the first, and that client refuses it
        shake(s, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, name="third.example", cafile=certs["localhost"][0])


def test_key_without_its_certificate_is_told(tmp_path, certs):
    from harness import Server
    key = "".join(pathlib.Path(certs[n][1]).read_text() for n in ("localhost", "other.example"))
    s = Server(tmp_path / "bad", config(http_server={"tls": {"enabled": True, "cert_pem": certs["localhost"][0], "key_pem": key}}), wait=False)
    assert s.wait_until_end() != 0
    assert "http_server.tls" in s.log_text() and "certificate" in s.log_text()


def test_missing_certificate_file_is_named(start, tmp_path):
    from harness import Server
    cfg = config(http_server={"tls": {"enabled": True, "cert_pem": "/no/such/cert.pem", "key_pem": "/no/such/key.pem"}})
    with pytest.raises(AssertionError) as e:
        Server(tmp_path / "bad", cfg)
    assert "/no/such/cert.pem" in str(e.value)


def test_garbage_handshakes_leave_nothing_behind(tls):
    before = tls.n_fds()
    for i in range(100):
        s = tls.connect()
        try:
            s.sendall(os.urandom(1 + i * 7))
        except OSError:
            pass
        s.close()
    tls.until(lambda: tls.n_fds() <= before + 2)
    assert json.loads(tls.http("GET", "/health")[2]) == {}
