"""Tokens of public keys, made by PyJWT, against the whole program: each algorithm, each place a key can stand in, and keys it must not start with."""
import base64
import hashlib
import hmac
import json
import time

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from harness import Client, Closed, config, free_port, peal
from harness import jwt as hs256

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = {256: ec.generate_private_key(ec.SECP256R1()), 384: ec.generate_private_key(ec.SECP384R1()), 512: ec.generate_private_key(ec.SECP521R1())}
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def keys(ec_bits=256, **more):
    return {"rsa_public_key": pem(RSA), "ecdsa_public_key": pem(EC[ec_bits]), "eddsa_public_key": pem(ED), **more}


@pytest.fixture(scope="module")
def all_keys(module_start):
    return module_start(cfg=config(client={"token": keys(), "allow_anonymous_connect_without_token": False}))


def refused(server, token, code=3500):
    with pytest.raises(Closed) as e:
        Client(server, token=token)
    return e.value.code == code


HONEST = [(a, RSA) for a in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")] + [("ES256", EC[256]), ("EdDSA", ED)]


@pytest.mark.parametrize("alg,key", HONEST, ids=[a for a, _ in HONEST])
def test_each_algorithm_lets_in_and_subscribes(all_keys, alg, key):
    c = Client(all_keys, token=pyjwt.encode({"sub": "ann", "exp": int(time.time()) + 60}, key, alg, headers={"kid": "k1"}))
    token = pyjwt.encode({"sub": "ann", "channel": "closed:" + alg}, key, alg)
    assert c.call("subscribe", channel="closed:" + alg, token=token) == {}
    c.close()


@pytest.mark.parametrize("bits", [384, 512])
def test_each_curve_has_its_own_algorithm(start, bits):
    s = start(cfg=config(client={"token": keys(bits)}))
    Client(s, token=pyjwt.encode({"sub": "ann"}, EC[bits], f"ES{bits}")).close()
    assert refused(s, pyjwt.encode({"sub": "ann"}, EC[256], "ES256"))


def hostile():
    good = pyjwt.encode({"sub": "ann"}, RSA, "RS256")
    head, claims, sig = good.split(".")
    none = b64u(b'{"alg":"none","typ":"JWT"}')
    yield "none", f"{none}.{claims}."
    yield "none with the signature", f"{none}.{claims}.{sig}"
    yield "other claims", f"{head}.{b64u(json.dumps({'sub': 'root'}).encode())}.{sig}"
    yield "cut", good[:-2]
    yield "another key", pyjwt.encode({"sub": "ann"}, OTHER_RSA, "RS256")
    yield "another curve", pyjwt.encode({"sub": "ann"}, EC[384], "ES384")
    text = b64u(b'{"alg":"HS256"}') + "." + claims
    yield "the public key as secret", text + "." + b64u(hmac.new(pem(RSA).encode(), text.encode(), hashlib.sha256).digest())
    yield "its own key beside it", pyjwt.encode({"sub": "ann"}, OTHER_RSA, "RS256", headers={"jku": "http://127.0.0.1:1/", "jwk": {"kty": "RSA"}})
    text = b64u(b'{"alg":"RS256","b64":false}') + "." + claims
    yield "unencoded", text + "." + b64u(RSA.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


@pytest.mark.parametrize("token", [t for _, t in hostile()], ids=[n for n, _ in hostile()])
def test_a_hostile_token_closes_with_3500(all_keys, token):
    assert refused(all_keys, token)
    assert all_keys.is_alive()


def test_an_expired_token_is_109_whatever_key_signed_it(all_keys):
    for alg, key in HONEST:
        with pytest.raises(Exception) as e:
            Client(all_keys, token=pyjwt.encode({"sub": "ann", "exp": int(time.time()) - 1}, key, alg))
        assert "109" in str(e.value)


def test_a_key_stands_in_a_file_or_in_base64(start, tmp_path):
    path = tmp_path / "ed.pem"
    path.write_text(pem(ED))
    s = start(cfg=config(client={"token": {"eddsa_public_key": str(path), "rsa_public_key": base64.b64encode(pem(RSA).encode()).decode()}}))
    Client(s, token=pyjwt.encode({"sub": "ann"}, ED, "EdDSA")).close()
    Client(s, token=pyjwt.encode({"sub": "ann"}, RSA, "PS384")).close()


def test_subscription_tokens_can_have_another_key(start):
    s = start(cfg=config(client={"subscription_token": {"enabled": True, "eddsa_public_key": pem(ED)}}))
    c = Client(s, token=hs256(sub="ann"))
    assert c.call("subscribe", channel="closed:a", token=pyjwt.encode({"sub": "ann", "channel": "closed:a"}, ED, "EdDSA")) == {}
    assert refused(s, pyjwt.encode({"sub": "ann"}, ED, "EdDSA"))


def private_pem():
    return RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


BAD = [("rsa_public_key", pem(rsa.generate_private_key(65537, 1024)), "1024 bits"), ("rsa_public_key", pem(ED), "not an RSA key"),
       ("ecdsa_public_key", pem(ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
       ("eddsa_public_key", pem(ed448.Ed448PrivateKey.generate()), "not an Ed25519 key"), ("rsa_public_key", private_pem(), "PRIVATE KEY"),
       ("rsa_public_key", "/nowhere/key.pem", "/nowhere/key.pem"), ("hmac_secret_key", pem(RSA), "anybody could sign")]


@pytest.mark.parametrize("name,value,why", BAD, ids=[f"{n}-{w}" for n, _, w in BAD])
def test_a_bad_key_stops_the_start_and_check_config_says_the_same(start, tmp_path, name, value, why):
    conf = config(client={"token": {"hmac_secret_key": "x" * 32, name: value}})
    s = start(cfg=conf, wait=False)
    assert s.wait_until_end() != 0
    assert f"client.token.{name}: " in s.log_text() and why in s.log_text()
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**conf, "http_server": {"port": free_port()}}))
    r = peal("check", "config", path)
    assert r.returncode == 1 and f"client.token.{name}: " in r.stdout and why in r.stdout
    assert "PRIVATE KEY-----" not in r.stdout + s.log_text()


def test_a_short_secret_is_told_in_one_line_at_start(start):
    s = start(cfg=config())
    assert s.log_text().count("auth.weak_secret") == 1
    s = start(cfg=config(client={"token": {"hmac_secret_key": "x" * 32}}))
    assert "auth.weak_secret" not in s.log_text()
