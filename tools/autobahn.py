"""./dev autobahn [all]: the Autobahn test suite (a fuzzing WebSocket client) against `peal echo`.

`all` adds groups 12 and 13 (about ten minutes) in slices of 18 cases; slices that passed at this very commit are not run
again, so that a run which was stopped goes on where it was (--again forgets them).

The suite runs on Python 2.7 only; it is found as $PY27, pyenv's 2.7, or python2.7. Its packages go to .cache/autobahn/lib.
Every case must pass; only 6.4.1-6.4.4 may be non-strict (when the server fails on invalid UTF-8, not whether)."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from devlib import CACHE, LOGS, ROOT, Counts, commit, end_group, report_add, run, test_env

QUICK = ("1", "2", "3", "4", "5", "6", "7", "9", "10")
LONG = tuple(f"12.{i}" for i in range(1, 6)) + tuple(f"13.{i}" for i in range(1, 8))
MAY_BE_NON_STRICT = {"6.4.1", "6.4.2", "6.4.3", "6.4.4"}
EXPECTED = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, **{group: 18 for group in LONG}}
HOME = CACHE / "autobahn"
PACKAGES = ["twisted==20.3.0", "autobahn==0.10.9", "txaio==1.0.3", "jinja2<3", "werkzeug<1", "klein<20", "unittest2",
            "zope.interface<6", "pyopenssl==21.0.0", "cryptography==3.3.2", "service_identity<19"]


def python27():
    """A Python 2.7 that really runs (pyenv's bare shim may not), or None."""
    roots = [os.environ.get("PYENV_ROOT"), str(pathlib.Path.home() / ".pyenv")]
    try:
        roots.append(subprocess.run(["pyenv", "root"], capture_output=True, text=True).stdout.strip())
    except OSError:
        pass
    found = [os.environ.get("PY27")]
    for root in filter(None, roots):
        found += sorted(str(p) for p in pathlib.Path(root).glob("versions/2.7*/bin/python2.7"))
    found.append(shutil.which("python2.7"))
    for path in filter(None, found):
        try:
            if subprocess.run([path, "-c", "import ssl, zlib"], capture_output=True, timeout=20).returncode == 0:
                return path
        except (OSError, subprocess.TimeoutExpired):
            continue
    return None


def install(py27):
    """Puts the suite's packages into HOME/lib once. Returns an error text or None."""
    lib, stamp = HOME / "lib", HOME / "installed-1"
    if stamp.exists():
        return None
    shutil.rmtree(lib, ignore_errors=True)
    lib.mkdir(parents=True)
    pip = [py27, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", lib]
    for more in ([*PACKAGES], ["--no-deps", "autobahntestsuite==25.10.1"]):
        done = run([*pip, *more], 400, log="autobahn-pip")
        if not done.ok:
            done = run([*pip, *more], 400, log="autobahn-pip")
        if not done.ok:
            return f"pip for Python 2.7 failed: {done.tail(3)}"
    run([*pip, "--no-deps", "wsaccel==0.6.2"], 400, log="autobahn-pip")  # only speeds up groups 9 and 12
    (lib / "zope" / "__init__.py").touch()
    stamp.touch()
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_echo(binary, port):
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / "autobahn-echo.log", "wb") as log:
        proc = subprocess.Popen([str(binary), "echo", "--port", str(port)], stdout=log, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, start_new_session=True, env=test_env())
    for _ in range(200):
        if proc.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return proc
        except OSError:
            time.sleep(0.05)
    end_group(proc)
    return None


def judge(index, groups):
    counts = Counts()
    seen = {group: 0 for group in groups}  # "7" or, of the long ones, "12.3"
    for case, row in sorted(index.items(), key=lambda kv: [int(n) for n in kv[0].split(".")]):
        behavior, close = row["behavior"], row["behaviorClose"]
        good = behavior in ("OK", "INFORMATIONAL") or (behavior == "NON-STRICT" and case in MAY_BE_NON_STRICT)
        seen[next(g for g in (case.split(".")[0], ".".join(case.split(".")[:2])) if g in seen)] += 1
        if good and close in ("OK", "INFORMATIONAL"):
            counts.passed += 1
        else:
            counts.fail(f"autobahn {case}: {behavior}, close {close}")
    for group, n in seen.items():
        if n != EXPECTED[group]:
            counts.fail(f"autobahn group {group}: {n} cases ran, {EXPECTED[group]} expected")
    return counts


def run_groups(groups, limit, binary=ROOT / "build" / "peal"):
    counts = Counts()
    py27 = python27()
    if py27 is None:
        counts.skip("autobahn: no Python 2.7 found (set PY27, or: pyenv install 2.7.18)", sum(EXPECTED[g] for g in groups))
        return counts
    problem = install(py27)
    if problem:
        counts.fail(f"autobahn: {problem}")
        return counts
    port = free_port()
    out = HOME / "report"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    spec = HOME / "spec.json"
    spec.write_text(json.dumps({
        "outdir": str(out), "cases": [f"{g}.*" for g in groups], "exclude-cases": [], "exclude-agent-cases": {},
        "servers": [{"agent": "peal", "url": f"ws://127.0.0.1:{port}/", "options": {"version": 18}}]}))
    echo = start_echo(binary, port)
    if echo is None:
        counts.fail("autobahn: `peal echo` does not listen (.cache/log/autobahn-echo.log)")
        return counts
    try:
        start = "from autobahntestsuite.wstest import run; run()"
        done = run([py27, "-c", start, "-m", "fuzzingclient", "-s", spec], limit, log="autobahn",
                   env=test_env(PYTHONPATH=HOME / "lib"), cwd=HOME)
        died = echo.poll()
    finally:
        end_group(echo)
    index = out / "index.json"
    if not index.exists():
        counts.fail(f"autobahn: no report, exit {done.code}: {done.tail(3)}")
        return counts
    counts.add(judge(next(iter(json.loads(index.read_text()).values())), groups))
    if died is not None:
        counts.fail(f"autobahn: peal echo ended by itself with {died}")
    report_add("autobahn", passed=counts.passed, failed=counts.failed, seconds=done.seconds)
    return counts


def run_all(again):
    """The whole suite, slice by slice; what passed at this commit counts without another run."""
    head, total = commit(), Counts()
    store = CACHE / "report" / f"{head}-autobahn.json"
    done = {}
    if store.exists() and not again and not head.endswith("+"):
        done = json.loads(store.read_text())
    for groups in (QUICK, *((g,) for g in LONG)):
        key = ",".join(groups)
        if key in done:
            total.passed += done[key]
            print(f"groups {key}: {done[key]} passed before at {head}")
            continue
        counts = run_groups(groups, limit=400)
        print(f"groups {key}: {counts}", flush=True)
        total.add(counts)
        if counts.passed and not counts.failed:
            done[key] = counts.passed
            store.parent.mkdir(parents=True, exist_ok=True)
            store.write_text(json.dumps(done, indent=1) + "\n")
        if counts.skipped:
            break
    return total


def main(argv):
    words = [a for a in argv if a != "--again"]
    if words == ["all"]:
        counts = run_all("--again" in argv)
    elif all(w in EXPECTED for w in words):
        counts = run_groups(tuple(words) or QUICK, limit=400)
    else:
        print(f"usage: ./dev autobahn [all [--again] | GROUP..]   groups: {' '.join(EXPECTED)}")
        return 2
    for failure in counts.failures:
        print(f"FAILED {failure}")
    print("skipped: " + ("; ".join(counts.skips) or "nothing"))
    print(counts)
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
