"""./dev house: the order of the code, as checks. Each prints what it found; the last line is "N passed, N failed"."""
import re
import subprocess
import sys

import layers
import sabotage
import testnames
from devlib import ROOT, Counts

MAX_LINES = 700
LONG = {"tests/wire/replay.py": "one file that anyone can carry to another server"}
ROWS = {"A": 30, "B": 34, "C": 20, "D": 19, "E": 16, "F": 18, "G": 17, "H": 20, "I": 12, "J": 17}
# in two pieces, so that this file passes its own check
LEFT_OPEN = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|#if" r" 0\b")


def tracked():
    """What git would commit: tracked and new files. Outside a git tree (a tarball): everything but build folders."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
    if out.returncode == 0:
        paths = [ROOT / p for p in out.stdout.decode().split("\0") if p]
    else:
        paths = [p for p in ROOT.rglob("*") if not re.match(r"build|\.cache", p.relative_to(ROOT).parts[0])]
    return sorted({p for p in paths if p.is_file()})


def name(path):
    return str(path.relative_to(ROOT))


def check_rooms(files):
    """includes point down only"""
    c_files = [p for p in files if p.suffix in (".c", ".h")]
    print(layers.rooms_text(c_files))
    return layers.upward(c_files)


def check_sizes(files):
    """no file over 700 lines"""
    bad = []
    for path in files:
        if path.suffix in (".c", ".h", ".py", ".js", ".sh") or path.name == "dev":
            lines = path.read_bytes().count(b"\n")
            if lines > MAX_LINES and name(path) not in LONG:
                bad.append(f"{name(path)}: {lines} lines, mostly two ideas in one")
    return bad


def check_left_open(files):
    """nothing is left open in the code"""
    bad = []
    for path in files:
        if path.suffix in (".c", ".h", ".py", ".js", ".sh", ".html", ".build") or path.name == "dev":
            for i, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if LEFT_OPEN.search(line):
                    bad.append(f"{name(path)}:{i}: {line.strip()[:80]}")
    return bad


def check_generated(files):
    """no generated, binary or large file is kept"""
    bad = []
    for path in files:
        text = name(path)
        if re.search(r"\.(o|a|so|pyc|gcda|gcno|log|gz|zip|class|exe)$|(^|/)(node_modules|__pycache__|build[^/]*)/", text):
            bad.append(f"{text}: generated")
        elif path.stat().st_size > 1 << 20:
            bad.append(f"{text}: {path.stat().st_size >> 10} KiB")
        elif not text.startswith("fuzz/seeds/") and path.suffix not in (".png", ".ico") and b"\0" in path.read_bytes():
            bad.append(f"{text}: binary")
    return bad


def check_links(files):
    """links in the papers lead somewhere"""
    bad = []
    for path in (p for p in files if p.suffix == ".md"):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.S)
        for target in re.findall(r"\[[^\]\n]*\]\(([^)\s]+)\)", text):
            target = target.split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                bad.append(f"{name(path)}: no {target}")
    return bad


def check_mission(files):
    """every row of the mission names tests that exist, or says not yet"""
    paper = ROOT / "docs" / "mission.md"
    if not paper.exists():
        return ["docs/mission.md is not there"]
    bad, seen, proven = [], {}, 0
    for line in paper.read_text().splitlines():
        m = re.match(r"\|\s*([A-J])(\d+)\s*\|", line)
        if not m:
            continue
        row = m[1] + m[2]
        last = re.split(r"(?<!\\)\|", line.rstrip().rstrip("|"))[-1].strip()
        if row in seen:
            bad.append(f"mission {row}: twice")
        seen[row] = last
        tests = re.findall(r"`([^`]+)`", last)
        if last.lower().startswith("not yet"):
            continue
        if not tests:
            bad.append(f"mission {row}: neither a test in backticks nor \"not yet\"")
        wrong = [f"mission {row}: `{t}`: {p}" for t, p in ((t, testnames.problem(t)) for t in tests) if p]
        bad += wrong
        proven += bool(tests and not wrong)
    bad += [f"mission {k}{i}: no row" for k, n in ROWS.items() for i in range(1, n + 1) if f"{k}{i}" not in seen]
    bad += [f"mission {row}: not a row of the requirements" for row in seen if not 1 <= int(row[1:]) <= ROWS[row[0]]]
    print(f"  mission: {proven} of {sum(ROWS.values())} rows are proven")
    return bad


def check_sabotage(files):
    """planted faults: code, list and tests agree"""
    return sabotage.disagreements([p for p in files if p.suffix in (".c", ".h")])


def check_scripts(files):
    """shell scripts parse"""
    scripts = [p for p in files if p.suffix == ".sh" or name(p) in ("dev", ".ci/run")]
    runs = [(p, subprocess.run(["bash", "-n", p], capture_output=True, text=True)) for p in scripts]
    return [f"{name(p)}: {r.stderr.strip()}" for p, r in runs if r.returncode != 0]


CHECKS = [check_rooms, check_sizes, check_left_open, check_generated, check_links, check_mission, check_sabotage,
          check_scripts]


def run_all():
    files, counts = tracked(), Counts()
    for check in CHECKS:
        bad = check(files)
        if bad:
            counts.fail(f"house: {check.__doc__}: {bad[0]}" + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""))
            for line in bad[:40]:
                print(f"  {line}")
        else:
            counts.passed += 1
    return counts


if __name__ == "__main__":
    result = run_all()
    for failure in result.failures:
        print(f"FAILED {failure}")
    print(result)
    sys.exit(1 if result.failed else 0)
