"""./dev soak [minutes]: slices of all long work with fresh seeds until the time is up; sums per commit.

Each slice is short and complete in itself, so the run may be stopped at any moment and gone on with later: counts add up
in .cache/report/<commit>.json. Slices: fuzz targets, meson tests that take a seed (simulator, replay of mutated seeds,
interrupted sessions), connect and disconnect churn, random bytes at the ports, everything at once, Autobahn, planted faults."""
import json
import sys
import time

import autobahn
import fuzz
import sabotage
import stages
from devlib import ROOT, Counts, commit, fresh_seed, report_add
from mesontests import run_tests


def slice_fuzz(seed):
    return fuzz.run_all(seconds=15, seed=seed)


def slice_seeds(seed):
    return run_tests("build", 300, seed=seed, log="soak-seeds")[0]


def slice_seeds_asan(seed):
    return run_tests("build-asan", 600, seed=seed, each=4, log="soak-seeds-asan")[0]


def slice_churn(seed):
    """Connecting and leaving in every manner; memory must come back."""
    return stages.pytest("tests/blackbox/test_memory.py", 600, stages.Context(seed), "soak-churn", PEAL_CYCLES=20000)


def slice_garbage(seed):
    """Random and mutated bytes at every port, against the ASan build."""
    return stages.pytest("tests/blackbox/test_garbage.py", 600, stages.Context(seed), "soak-garbage",
                         binary=ROOT / "build-asan" / "peal", PEAL_GARBAGE=10000)


def slice_chaos(seed):
    """Everything at once on four shards, against the ASan build."""
    return stages.pytest("tests/blackbox/test_chaos.py", 300, stages.Context(seed), "soak-chaos",
                         binary=ROOT / "build-asan" / "peal", PEAL_CHAOS=60)


def slice_autobahn(seed):
    return autobahn.run_groups(autobahn.QUICK, limit=240)


def slice_sabotage(seed):
    return sabotage.run_slice(seed, seconds=60)


SLICES = [slice_fuzz, slice_seeds, slice_churn, slice_garbage, slice_chaos, slice_seeds_asan, slice_autobahn, slice_sabotage]


def main(argv):
    minutes = float(argv[0]) if argv else 10
    end, total, n = time.monotonic() + minutes * 60, Counts(), 0
    while n == 0 or time.monotonic() < end:
        work = SLICES[n % len(SLICES)]
        seed, start = fresh_seed(), time.monotonic()
        counts = work(seed)
        seconds = time.monotonic() - start
        print(f"{work.__name__[6:]:<12} seed {seed:<10} {seconds:5.0f} s  {counts}", flush=True)
        for failure in counts.failures:
            print(f"FAILED {failure} (PEAL_SEED={seed})", flush=True)
        data = report_add(f"soak {work.__name__[6:]}", passed=counts.passed, failed=counts.failed, seconds=seconds)
        total.add(counts)
        n += 1
    print(f"\nsums for commit {commit()} (.cache/report/), all runs together:")
    print(json.dumps({k: v for k, v in data.items() if k.startswith(("soak", "fuzz"))}, indent=1))
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
