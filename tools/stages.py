"""The stages of ./dev test. Each takes a Context and returns Counts; it bounds its own time."""
import dataclasses
import re
import sys
import xml.etree.ElementTree as xml

import autobahn
import fuzz
import house
import sabotage
from devlib import CACHE, ROOT, Counts, dev, run, test_env
from mesontests import address_wrapper, listed, run_tests


@dataclasses.dataclass
class Context:
    seed: int
    word: str | None = None  # only tests whose name contains it


@dataclasses.dataclass
class Stage:
    name: str
    what: str
    run: object
    takes_filter: bool = False


def built(kind, *targets, limit=900):
    """Builds through ./dev; None, or Counts with the failure."""
    done = dev("_build", kind, *targets, limit=limit)
    if done.ok:
        return None
    counts = Counts()
    counts.fail(f"build of {kind}: {done.tail(12)}")
    return counts


def chosen(build, word):
    """Names of the meson tests of a build that contain the word (all when there is none)."""
    return [t["name"] for t in listed(build) if word is None or word in t["name"]]


def meson_stage(kind, build, ctx, limit, each=1.0, without=()):
    bad = built(kind)
    if bad:
        return bad
    names = [name for name in chosen(build, ctx.word) if name not in without]
    if ctx.word and not names:
        return Counts()
    counts, done = run_tests(build, limit, names=names if ctx.word or without else (), seed=ctx.seed, each=each)
    if counts.failed:
        print(done.tail(60))
    return counts


def pytest(folder, limit, ctx, log, binary=None, args=(), wrapper=(), **env):
    """pytest on a folder; one that must be there."""
    counts = Counts()
    report = CACHE / "log" / f"{log}.xml"
    report.unlink(missing_ok=True)
    cmd = [*wrapper, sys.executable, "-m", "pytest", "-q", "-ra", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}",
           *args, folder]
    if ctx.word:
        cmd += ["-k", ctx.word]
    done = run(cmd, limit, log=log, env=test_env(binary=binary, seed=ctx.seed, **env))
    try:
        cases = list(xml.parse(report).getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        cases = []
    for case in cases:
        name = f"tests/{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            counts.fail(name)
        elif case.find("skipped") is not None:
            counts.skip(f"{name}: {case.find('skipped').get('message', '')}")
        else:
            counts.passed += 1
    if done.code == 5 and (ctx.word or "-m" in args):  # nothing selected
        return counts
    if done.code != 0:
        print(done.tail(60))
        if counts.failed == 0:
            counts.fail(f"{log}: pytest " + ("was stopped at its limit" if done.code is None else f"exits {done.code}"))
    return counts


def unit(ctx):
    """Unit tests, fuzz replay and the simulator in the release build."""
    return meson_stage("release", "build", ctx, limit=300)


def asan(ctx):
    counts = meson_stage("asan", "build-asan", ctx, limit=420, each=4)
    if (ROOT / "build-asan" / "peal").exists():
        counts.add(pytest("tests/blackbox", 240, ctx, "blackbox-asan", binary=ROOT / "build-asan" / "peal",
                          args=["-m", "not slow"], PEAL_SLOWNESS=3))
        counts.add(wire_run(ctx, "wire-asan", "-o", "threads=2", binary=ROOT / "build-asan" / "peal", WIRE_TIMEOUT=12))
    return counts


def tsan(ctx):
    # long runs in one thread, on virtual time: TSan would only make them slow; ASan has them
    counts = meson_stage("tsan", "build-tsan", ctx, limit=420, each=6, without=("sim/cuts", "sim/schedule", "sim/ping"))
    if (ROOT / "build-tsan" / "peal").exists():
        counts.add(pytest("tests/blackbox", 240, ctx, "blackbox-tsan", binary=ROOT / "build-tsan" / "peal",
                          args=["-m", "shards"], wrapper=address_wrapper("build-tsan"),
                          PEAL_SLOWNESS=5))
    return counts


def fuzzing(ctx):
    return built("fuzz") or fuzz.run_all(seconds=5, seed=ctx.seed)


def blackbox(ctx):
    return built("release") or pytest("tests/blackbox", 300, ctx, "blackbox")


def wire_run(ctx, log, *args, binary=None, **env):
    """One run of the golden transcripts against the real program."""
    counts = Counts()
    cmd = [sys.executable, "tests/wire/replay.py", *args] + (["-k", ctx.word] if ctx.word else [])
    done = run(cmd, 300, log=log, env=test_env(binary=binary, seed=ctx.seed, **env))
    last = next((m for m in map(re.compile(r"^SUITE \w+: (\d+) passed, (\d+) failed, (\d+) skipped").match,
                                reversed(done.output.splitlines())) if m), None)
    if last is None:
        counts.fail(f"{log}: no closing line: {done.tail(5)}")
        return counts
    counts.passed = int(last[1])
    for line in done.output.splitlines():
        if line.startswith("FAILED "):
            counts.fail(f"{log} " + line[7:])
    counts.failed = max(counts.failed, int(last[2]))
    if int(last[3]):
        counts.skip(f"{log}: replay.py skips {last[3]} transcripts", int(last[3]))
    if not done.ok and counts.failed == 0 and not ctx.word:
        counts.fail(f"{log}: replay.py exits {done.code}")
    return counts


def wire(ctx):
    """The transcripts over plain TCP on two shards, and over TLS on four."""
    return built("release", "peal") or wire_run(ctx, "wire", "-o", "threads=2").add(wire_run(ctx, "wire-tls", "--tls", "-o", "threads=4"))


def browser(ctx):
    return built("release", "peal") or pytest("tests/browser", 180, ctx, "browser")


def autobahn_slice(ctx):
    return built("release", "peal") or autobahn.run_groups(autobahn.QUICK, limit=240)


def sabotage_slice(ctx):
    """Some of the planted faults, others each run."""
    return sabotage.run_slice(seed=ctx.seed, seconds=100)


ALL = [
    Stage("house", "rooms, tests named in docs, planted faults, file sizes", lambda ctx: house.run_all()),
    Stage("unit", "unit tests, seeds of the fuzz targets, simulator: release build", unit, True),
    Stage("blackbox", "the program from outside", blackbox, True),
    Stage("wire", "golden transcripts", wire, True),
    Stage("browser", "centrifuge-js in headless Chromium", browser, True),
    Stage("autobahn", "Autobahn groups 1-7, 9, 10 against peal echo", autobahn_slice),
    Stage("asan", "the same under ASan and UBSan", asan, True),
    Stage("tsan", "unit tests and many shards under TSan", tsan, True),
    Stage("fuzz", "each fuzz target for some seconds, from a new seed", fuzzing),
    Stage("sabotage", "planted faults must be caught", sabotage_slice),
]
