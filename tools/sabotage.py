"""./dev sabotage [name]: each planted fault is compiled in, alone, and its test must then fail.

tests/sabotage.txt, one fault a line:   name | file | test that must fail | what it breaks
The code plants it with `if (PL_SABOTAGE(name))` (base/check.h); the test is named as in testnames.py. It must also
pass in the release build, which has no fault: that is checked right before."""
import os
import random
import re
import sys
import time

import testnames
from devlib import ROOT, Counts, dev, fresh_seed, report_add, run, test_env
from mesontests import cases, listed

LIST = ROOT / "tests" / "sabotage.txt"
BUILD = "build-sab"
PLANTED = re.compile(r"\bPL_SABOTAGE\((\w+)\)")


class Fault:
    def __init__(self, name, file, test, breaks):
        self.name, self.file, self.test, self.breaks = name, file.strip("`"), test.strip("`"), breaks


def faults():
    found = []
    if LIST.exists():
        for line in LIST.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                parts = [p.strip() for p in line.split("|")]
                found.append(Fault(*parts) if len(parts) == 4 else Fault(line.strip(), "", "", ""))
    return found


def disagreements(files):
    """What does not fit between the list, the code and the tests; for ./dev house."""
    bad, planted = [], {}
    for path in files:
        if path.name == "check.h":
            continue
        for name in PLANTED.findall(path.read_text(errors="replace")):
            planted.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    listed_faults = faults()
    names = [f.name for f in listed_faults]
    for f in listed_faults:
        if not f.test:
            bad.append(f"sabotage.txt: not four columns: {f.name[:60]}")
            continue
        if names.count(f.name) > 1:
            bad.append(f"sabotage.txt: {f.name} is listed twice")
        if f.name not in planted:
            bad.append(f"sabotage.txt: {f.name} is planted nowhere")
        elif f.file not in planted[f.name]:
            bad.append(f"sabotage.txt: {f.name} is not in {f.file} but in {', '.join(sorted(planted[f.name]))}")
        wrong = testnames.problem(f.test)
        if wrong:
            bad.append(f"sabotage.txt: {f.name}: `{f.test}`: {wrong}")
    bad += [f"{', '.join(sorted(where))}: fault {n} is not in tests/sabotage.txt" for n, where in planted.items()
            if n not in names]
    return bad


def compile_with(fault, targets):
    """Builds build-sab with this fault. ccache keeps the unchanged objects. None or an error text."""
    if not (ROOT / BUILD / "build.ninja").exists():
        done = dev("_build", "sab", "help", limit=60)  # `help` is ninja's harmless target: configure only
        if not (ROOT / BUILD / "build.ninja").exists():
            return done.tail(8)
    set_to = run(["meson", "configure", BUILD, f"-Dsabotage={fault}"], 60, log="sabotage-configure")
    if not set_to.ok:
        return set_to.tail(5)
    done = run(["ninja", "-C", BUILD, *targets], 600, log="sabotage-build")
    return None if done.ok else done.tail(12)


def targets_of(test):
    """The ninja targets that a test needs."""
    kind, what, *_ = testnames.parse(test)
    if kind in ("pytest", "wire"):
        return ["peal"]
    row = next((t for t in listed("build") if t["name"] == what), None)
    return [os.path.relpath(row["cmd"][0], ROOT / "build")] if row else []


def passes(test, build, seed):
    """Runs one test against a build: (does it pass, what the command gave)."""
    kind, what, *rest = testnames.parse(test)
    env = test_env(binary=ROOT / build / "peal", seed=seed)
    if kind == "pytest":
        done = run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", what], 120, log="sabotage-test", env=env)
        return done.ok, done
    if kind == "wire":
        done = run([sys.executable, "tests/wire/replay.py", what], 120, log="sabotage-test", env=env)
        return done.ok, done
    row = next(t for t in listed(build) if t["name"] == what)
    env.update(row["env"])
    done = run(row["cmd"], 120, log="sabotage-test", env=env, cwd=row["workdir"] or ROOT / build)
    case = rest[0]
    if case and cases(done.output):
        return cases(done.output).get(case) == "OK", done
    return done.ok, done


def prove(fault, seed, counts):
    """The test passes without the fault and fails with it."""
    label = f"sabotage {fault.name}"
    wrong = testnames.problem(fault.test)
    if wrong:
        counts.fail(f"{label}: {wrong}")
        return
    good, done = passes(fault.test, "build", seed)
    if not good:
        counts.fail(f"{label}: {fault.test} fails without the fault: {done.tail(6)}")
        return
    problem = compile_with(fault.name, targets_of(fault.test))
    if problem:
        counts.fail(f"{label}: build with it: {problem}")
        return
    good, done = passes(fault.test, BUILD, seed)
    if good:
        counts.fail(f"{label}: not caught by {fault.test}")
    else:
        counts.passed += 1
        print(f"  {fault.name}: caught by {fault.test}", flush=True)


def run_slice(seed, seconds=None, only=None):
    """Proves faults in a random order until the seconds are used up (at least one), or all of them."""
    counts, chosen, start = Counts(), faults(), time.monotonic()
    if only:
        chosen = [f for f in chosen if f.name == only]
        if not chosen:
            counts.fail(f"sabotage: no fault {only} in tests/sabotage.txt")
    random.Random(seed).shuffle(chosen)
    for i, fault in enumerate(chosen):
        if seconds and i > 0 and time.monotonic() - start > seconds:
            print(f"  {i} of {len(chosen)} faults fitted into this slice; ./dev sabotage proves all")
            break
        prove(fault, seed, counts)
    report_add("sabotage", caught=counts.passed, failed=counts.failed)
    return counts


def main(argv):
    counts = run_slice(fresh_seed(), only=argv[0] if argv else None)
    for failure in counts.failures:
        print(f"FAILED {failure}")
    print(counts)
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
