"""Runs the meson tests of one build and counts their single cases.

A cmocka program prints "[ RUN      ] name" and then OK, FAILED or SKIPPED for each case; a case that began and has no
verdict (the program died in it) counts as failed. A program that prints a last line "N passed, N failed" is counted by
that. Anything else is one test."""
import json
import re
import subprocess

from devlib import ROOT, Counts, run, test_env

VERDICT = re.compile(r"^\[\s+(RUN|OK|FAILED|SKIPPED)\s+\] (\w+)$")
CLOSING = re.compile(r"^(?:[\w ./-]+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def cases(text):
    """{case: verdict} of a cmocka program's output, in order."""
    found = {}
    for line in text.splitlines():
        if line.startswith("[==========]") and "run." in line:
            break  # what follows lists the failed ones again
        m = VERDICT.match(line.rstrip())
        if m:
            found[m.group(2)] = m.group(1)
    return found


def count(name, stdout, stderr, result):
    """Counts of one test program; result is meson's word (OK, FAIL, TIMEOUT, SKIP, ERROR, ...)."""
    counts = Counts()
    if result == "SKIP":
        counts.skip(f"{name}: the program says skip")
        return counts
    # The stream of verdicts is split between stdout (RUN, OK) and stderr (FAILED, SKIPPED).
    found = cases(stdout)
    found.update({k: v for k, v in cases(stderr).items() if v != "RUN"})
    if found:
        for case, verdict in found.items():
            if verdict == "OK":
                counts.passed += 1
            elif verdict == "SKIPPED":
                counts.skip(f"{name}:{case}: the test skips itself")
            else:
                counts.fail(f"unit:{name}:{case}" + (" (no verdict)" if verdict == "RUN" else ""))
    else:
        last = next((m for m in map(CLOSING.match, reversed(stdout.splitlines())) if m), None)
        if last:
            counts.passed, counts.failed = int(last[1]), int(last[2])
            counts.failures = [f"{name}: {counts.failed} failed"] if counts.failed else []
            if last[3] and int(last[3]):
                counts.skip(f"{name}: the program skipped {last[3]}", int(last[3]))
        elif result == "OK":
            counts.passed = 1
    if result != "OK" and counts.failed == 0:
        counts.fail(f"{name}: {result}")
    return counts


def listed(build):
    """The tests of a build as meson knows them: name, suites, command."""
    out = subprocess.run(["meson", "introspect", "--tests", build], cwd=ROOT, capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else []


def run_tests(build, limit, suites=(), names=(), seed=None, each=1.0, log=None, **env):
    """`meson test` on build, whose programs are built already. `each` multiplies the time limit of a program."""
    cmd = [*address_wrapper(build), "meson", "test", "-C", build, "--no-rebuild", "--num-processes", "2", "-t", str(each),
           "--logbase", "testlog", "--print-errorlogs"]
    for suite in suites:
        cmd += ["--suite", suite]
    record = ROOT / build / "meson-logs" / "testlog.json"
    record.unlink(missing_ok=True)
    done = run([*cmd, *names], limit, log=log or f"meson-{build}",
               env=test_env(binary=ROOT / build / "peal", seed=seed, **env))
    total, seen = Counts(), set()
    for line in record.read_text().splitlines() if record.exists() else []:
        row = json.loads(line)
        name = row["name"].split(" / ")[-1]
        seen.add(name)
        total.add(count(name, row.get("stdout", ""), row.get("stderr", ""), row["result"]))
    if not seen:
        total.fail(f"{build}: no test ran: {done.tail(4)}")
    elif done.code is None:
        total.fail(f"{build}: the test run was stopped after {limit:g} s")
    elif done.code != 0 and total.failed == 0:
        total.fail(f"{build}: meson test exits {done.code}: {done.tail(4)}")
    return total, done


def address_wrapper(build):
    """TSan of gcc 12 cannot map its shadow when the kernel randomises addresses more than it expects; the setting is
    inherited by all that the wrapped command starts."""
    if "tsan" not in build:
        return []
    probe = subprocess.run(["setarch", "-R", "true"], capture_output=True)
    return ["setarch", "-R"] if probe.returncode == 0 else []
