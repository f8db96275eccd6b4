"""What the tools behind ./dev share: running things with a time limit, counts, and the report per commit.

Python 3.11 standard library only: a fresh machine has nothing else."""
import json
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
LOGS = CACHE / "log"


class Counts:
    """What a stage found. `failures` names each failed test; `skips` gives reasons, not only numbers."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.failures, self.skips, self.extra = [], [], {}

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)

    def skip(self, why, n=1):
        self.skipped += n
        self.skips.append(why)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.skips += other.skips
        for key, value in other.extra.items():
            self.extra[key] = self.extra.get(key, 0) + value
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


class Done:
    """A finished command: code (None: it was stopped at its time limit), output (stdout and stderr), seconds."""

    def __init__(self, code, output, seconds):
        self.code, self.output, self.seconds = code, output, seconds

    @property
    def ok(self):
        return self.code == 0

    def tail(self, lines=25):
        return "\n".join(self.output.rstrip().splitlines()[-lines:])


def end_group(proc, grace=5):
    """Ends the process and all it started: politely, then not. They share a session that run() made for them."""
    for sig, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 5)):
        try:
            os.killpg(proc.pid, sig)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            proc.poll()
            try:
                os.killpg(proc.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)


def run(cmd, limit, log=None, env=None, cwd=ROOT):
    """Runs cmd for at most `limit` seconds, output into .cache/log/<log>. Whatever it leaves behind is ended too."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log or 'run'}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with open(path, "wb") as out:
        proc = subprocess.Popen([str(c) for c in cmd], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                cwd=cwd, env=env, start_new_session=True)
        try:
            code = proc.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_group(proc)
    text = path.read_bytes().decode("utf-8", "replace")
    if code is None:
        text += f"\nstopped after its limit of {limit:g} s\n"
    return Done(code, text, time.monotonic() - start)


def commit():
    """The commit that is tested, with + when the work tree differs from it."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if head.returncode != 0:
        return "unknown"
    dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True)
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def report_add(kind, **sums):
    """Adds numbers to .cache/report/<commit>.json: {kind: {name: sum}}, `runs` counts the additions."""
    folder = CACHE / "report"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{commit()}.json"
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        data = {}
    row = data.setdefault(kind, {})
    for key, value in {"runs": 1, **sums}.items():
        row[key] = round(row.get(key, 0) + value, 3)
    tmp = path.with_suffix(".tmp")
    tmp.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    tmp.replace(path)
    return data


def fresh_seed():
    """A new seed for this run; PEAL_SEED repeats an old one."""
    given = os.environ.get("PEAL_SEED")
    return int(given) if given else int.from_bytes(os.urandom(4), "big") | 1


def test_env(binary=None, seed=None, **more):
    """The environment of every test: which peal to run, where the tests' packages are, the seed."""
    env = dict(os.environ)
    env.update(PEAL_ROOT=str(ROOT), PEAL_BIN=str(binary or ROOT / "build" / "peal"),
               NODE_PATH=str(CACHE / "node" / "node_modules"), PEAL_TLS_CERT=str(CACHE / "tls" / "cert.pem"),
               PEAL_TLS_KEY=str(CACHE / "tls" / "key.pem"), PYTHONDONTWRITEBYTECODE="1")
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        env.pop(name, None)
    env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1"
    env["UBSAN_OPTIONS"] = "halt_on_error=1:abort_on_error=1:print_stacktrace=1"
    env["TSAN_OPTIONS"] = "halt_on_error=1:abort_on_error=1:second_deadlock_stack=1"
    if seed is not None:
        env["PEAL_SEED"] = str(seed)
    env.update({k: str(v) for k, v in more.items()})
    return env


def dev(*args, limit=900, log=None):
    """One of ./dev's own steps, for instance dev("_build", "asan")."""
    return run([ROOT / "dev", *args], limit, log=log or "dev-" + "-".join(args))
