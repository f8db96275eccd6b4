"""Fixtures: `start` makes servers of one's own and checks how they end; `server` is a plain open one per module."""
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from starter import Starter  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture
def start(tmp_path):
    s = Starter(tmp_path)
    yield s
    s.finish()


@pytest.fixture(scope="module")
def module_start(tmp_path_factory):
    s = Starter(tmp_path_factory.mktemp("servers"))
    yield s
    s.finish()


@pytest.fixture(scope="module")
def server(module_start):
    return module_start()


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """two throw-away certificates: for localhost and for other.example -> {name: (cert path, key path)}"""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed for the TLS tests"
    import subprocess
    folder = tmp_path_factory.mktemp("certs")
    out = {}
    for name in ("localhost", "other.example"):
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        out[name] = (str(cert), str(key))
    return out
