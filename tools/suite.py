"""./dev test: every stage with its time limit, then what was skipped, then "N passed, N failed".

  suite.py test [filter]          all stages, those whose name begins with the filter, or (if none does) the tests
                                  whose name contains it
  suite.py stages NAME.. -- [filter]   these stages only

A stage is a function in stages.py. One that raises, hangs or finds no test counts as failed: silence is never a pass."""
import sys
import time
import traceback

import stages
from devlib import Counts, commit, fresh_seed, report_add


def run_stage(stage, ctx):
    start = time.monotonic()
    print(f"--- {stage.name}: {stage.what}", flush=True)
    try:
        counts = stage.run(ctx)
    except Exception as err:  # a broken stage is a failed test, and the others still run
        counts = Counts()
        counts.fail(f"{stage.name}: {type(err).__name__}: {err}")
        traceback.print_exc()
    if counts.passed + counts.failed + counts.skipped == 0:
        counts.fail(f"{stage.name}: found no test")
    seconds = time.monotonic() - start
    print(f"    {stage.name}: {counts} in {seconds:.0f} s", flush=True)
    report_add(f"stage {stage.name}", passed=counts.passed, failed=counts.failed, skipped=counts.skipped,
               seconds=seconds, **counts.extra)
    return counts, seconds


def main(argv):
    names, word = None, None
    if argv[:1] == ["stages"]:
        cut = argv.index("--") if "--" in argv else len(argv)
        names, rest = argv[1:cut], argv[cut + 1:]
    else:
        rest = argv[1:]
    word = rest[0] if rest else None
    chosen = [s for s in stages.ALL if names is None or s.name in names]
    if word and names is None:
        by_name = [s for s in chosen if s.name.startswith(word)]
        if by_name:
            chosen, word = by_name, None
        else:
            chosen = [s for s in chosen if s.takes_filter]
    ctx = stages.Context(seed=fresh_seed(), word=word)
    print(f"commit {commit()}, seed {ctx.seed} (PEAL_SEED={ctx.seed} ./dev test repeats it)", flush=True)

    total, times = Counts(), []
    for stage in chosen:
        counts, seconds = run_stage(stage, ctx)
        if word and counts.failures == [f"{stage.name}: found no test"]:
            continue  # a filter on names matches in some stages only
        times.append((stage.name, counts, seconds))
        total.add(counts)
    print("\n--- stages")
    for name, counts, seconds in times:
        print(f"{name:<12} {seconds:6.0f} s   {counts}")
    print(f"{'all':<12} {sum(t for _, _, t in times):6.0f} s\n")
    for failure in total.failures:
        print(f"FAILED {failure}")
    if not times:
        total.fail(f"no test matches {word!r}")
        print(f"FAILED {total.failures[-1]}")
    reasons = sorted(set(total.skips))
    print("skipped: " + ("; ".join(reasons) if reasons else "nothing"))
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
