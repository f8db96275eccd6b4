"""The command line itself: help, unknown words, what is printed of the options, which file is taken."""
import json
import os
import subprocess

import pytest

from harness import PEAL, free_port, peal, until

ENV = {k: v for k, v in os.environ.items() if not k.startswith(("PEAL_", "CENTRIFUGO_"))}


def test_without_words_it_teaches_and_fails():
    r = peal()
    assert r.returncode == 2 and "usage: peal COMMAND" in r.stderr and "peal serve" in r.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]], ids=str)
def test_help_lists_every_command(words):
    r = peal(*words)
    assert r.returncode == 0 and r.stderr == ""
    for name in ("serve", "pub", "sub", "token", "check config", "check history", "bench", "echo", "version"):
        assert f"  {name} " in r.stdout


@pytest.mark.parametrize("words", [["serve"], ["check", "config"], ["check", "history"], ["pub"], ["sub"], ["token"], ["bench"], ["echo"],
                                   ["config", "doc"]], ids=" ".join)
def test_help_of_a_command_is_the_same_both_ways(words):
    a, b = peal("help", *words), peal(*words, "--help")
    assert a.returncode == b.returncode == 0
    assert a.stdout == b.stdout != "" and "usage:" in a.stdout.lower()


@pytest.mark.parametrize("words,hint", [(["srve"], "serve"), (["check", "confg"], "check config"), (["check"], "check history"),
                                        (["vresion"], "version"), (["help", "tokn"], "token"), (["nonsense"], "help")], ids=str)
def test_an_unknown_command_is_told_with_the_nearest(words, hint):
    r = peal(*words)
    assert r.returncode == 2 and hint in r.stderr and r.stdout == ""


def test_the_printed_defaults_are_a_good_file(tmp_path):
    r = peal("config", "default")
    assert r.returncode == 0 and json.loads(r.stdout)["http_server"]["port"] == 8000
    path = tmp_path / "default.json"
    path.write_text(r.stdout)
    r = peal("check", "config", path)
    assert r.returncode == 0 and "warning" not in r.stdout.replace("0 warnings", "")


def test_the_reference_has_a_row_per_option():
    text = peal("config", "doc").stdout
    for key in ("http_server.port", "client.token.hmac_secret_key", "history_ttl", "threads"):
        assert f"| `{key}` |" in text


def test_config_json_of_the_working_directory_is_taken(tmp_path):
    (tmp_path / "config.json").write_text('{"client": {"nonsense": 1}}')
    r = subprocess.run([PEAL, "serve"], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=20)
    assert r.returncode == 2 and "config.json:1: client.nonsense" in r.stderr


def test_flags_without_a_command_serve(tmp_path):
    port = free_port()
    p = subprocess.Popen([PEAL, f"--http_server.port={port}", "--health.enabled"], cwd=tmp_path, env=ENV, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True)
    try:
        import urllib.request

        def healthy():
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read() == b"{}"
            except OSError:
                return False
        until(healthy)
    finally:
        p.terminate()
        log = p.communicate(timeout=20)[1]
    assert p.returncode == 0
    events = [json.loads(line)["ev"] for line in log.splitlines()]
    assert events[:2] == ["config.loaded", "server.listening"] and events[-1] == "server.stopped"


def test_a_port_in_use_is_told_with_its_address(tmp_path):
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        r = subprocess.run([PEAL, "serve", "-p", str(port)], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and f"127.0.0.1:{port}" in r.stderr
