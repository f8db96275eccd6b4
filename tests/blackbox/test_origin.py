"""Origin check and CORS (wire-protocol.md 1.2)."""
import pytest

from harness import Refused, Ws, config

RULES = ["https://app.example", "https://*.shop.example", "http://localhost:*"]
MATRIX = [
    (None, True), ("https://app.example", True), ("HTTPS://APP.EXAMPLE", True), ("https://a.shop.example", True),
    ("https://a.b.shop.example", True), ("https://shop.example", False), ("https://app.example:8443", False),
    ("http://app.example", False), ("https://app.example.evil.example", False), ("https://evil.example", False),
    ("null", False), ("http://localhost:3000", True), ("http://localhost", False), ("file://", False),
    ("https://evilapp.example", False),
]


@pytest.fixture(scope="module")
def ruled(module_start):
    return module_start(cfg=config(client={"allowed_origins": RULES}))


@pytest.mark.parametrize("origin,ok", MATRIX, ids=[str(m[0]) for m in MATRIX])
def test_matrix(ruled, origin, ok):
    headers = {} if origin is None else {"Origin": origin}
    if ok:
        Ws(ruled, headers=headers).close()
    else:
        with pytest.raises(Refused) as e:
            Ws(ruled, headers=headers)
        assert e.value.status == 403


def test_no_rules_refuse_every_origin_but_let_native_clients_in(start):
    s = start(cfg=config(client={"allowed_origins": []}))
    Ws(s).close()
    with pytest.raises(Refused) as e:
        Ws(s, headers={"Origin": f"http://localhost:{s.port}"})
    assert e.value.status == 403


def test_star_allows_all(start):
    s = start(cfg=config(client={"allowed_origins": ["*"]}))
    for origin in ("https://evil.example", "null"):
        Ws(s, headers={"Origin": origin}).close()


def test_two_origins_are_refused(ruled):
    with pytest.raises(Refused) as e:
        Ws(ruled, headers={"Origin": "https://app.example\r\nOrigin: https://evil.example"})
    assert e.value.status in (400, 403)


def test_the_refusal_says_what_to_do(ruled):
    with pytest.raises(Refused) as e:
        Ws(ruled, headers={"Origin": "https://evil.example"})
    assert e.value.body.startswith("Forbidden")


def test_api_gives_no_cors_headers(ruled):
    _, headers, _ = ruled.http("POST", "/api/info", "{}", {"X-API-Key": "apikey", "Origin": "https://app.example"})
    assert "access-control-allow-origin" not in headers
