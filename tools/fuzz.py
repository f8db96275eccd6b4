"""./dev fuzz [seconds]: every libFuzzer program of build-fuzz, each from a fresh seed.

The corpus that grows is kept in .cache/corpus/<target>/ and starts from fuzz/seeds/<target>/. What crashes is left in
.cache/crash/; add it to the seeds together with the mend."""
import re
import sys

from devlib import CACHE, ROOT, Counts, fresh_seed, report_add, run, test_env

DONE = re.compile(r"^Done (\d+) runs in", re.M)
STAT = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.M)


def targets():
    """Names of the targets: fuzz/NAME_fuzz.c."""
    return sorted(p.name[:-len("_fuzz.c")] for p in (ROOT / "fuzz").glob("*_fuzz.c"))


def run_one(name, seconds, seed):
    counts = Counts()
    program = ROOT / "build-fuzz" / "fuzz" / f"fuzz-{name}"
    seeds = ROOT / "fuzz" / "seeds" / name
    if not program.exists():
        counts.fail(f"fuzz {name}: no program (is it in fuzz/meson.build?)")
        return counts
    if not seeds.is_dir() or not any(seeds.iterdir()):
        counts.fail(f"fuzz {name}: no seeds in fuzz/seeds/{name}")
        return counts
    corpus, crash = CACHE / "corpus" / name, CACHE / "crash"
    corpus.mkdir(parents=True, exist_ok=True)
    crash.mkdir(parents=True, exist_ok=True)
    done = run([program, f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=16384",
                "-print_final_stats=1", f"-artifact_prefix={crash}/{name}-", corpus, seeds], seconds + 60,
               log=f"fuzz/{name}", env=test_env(seed=seed))
    m = STAT.search(done.output) or DONE.search(done.output)
    runs = int(m[1]) if m else 0
    counts.extra["inputs"] = runs
    if done.ok and runs > 0:
        counts.passed = 1
    else:
        counts.fail(f"fuzz {name} (seed {seed}, exit {done.code}, .cache/log/fuzz/{name}.log)")
        print(done.tail(30))
    report_add(f"fuzz {name}", inputs=runs, seconds=seconds, crashes=counts.failed)
    return counts


def run_all(seconds, seed):
    total = Counts()
    for name in targets():
        total.add(run_one(name, seconds, seed))
    return total


def main(argv):
    seconds, seed = int(argv[0]) if argv else 60, fresh_seed()
    print(f"{len(targets())} targets, {seconds} s each, seed {seed}")
    counts = run_all(seconds, seed)
    for failure in counts.failures:
        print(f"FAILED {failure}")
    print(f"{counts.extra.get('inputs', 0)} inputs\n{counts}")
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
