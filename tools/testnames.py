"""Does a named test exist? The ways to name one, wherever a paper or sabotage.txt does:

  tests/blackbox/test_x.py::test_y   a pytest function (::TestClass::test_y too; a [parameter] is not checked)
  tests/wire/connect/plain.wire      a transcript; tests/wire/connect/*.wire or tests/wire/connect names several
  unit:codec/ws_head                 a meson test (the word unit: may be left out)
  unit:codec/ws_head:case            one case of it; spaces and underscores are the same
  fuzz:NAME, autobahn, autobahn:6    a fuzz target; the Autobahn suite or one group"""
import functools
import re

from devlib import ROOT


@functools.cache
def meson_tests():
    """{meson test name: folder of the meson.build that names it}"""
    found = {}
    for path in [*ROOT.glob("src/*/meson.build"), *ROOT.glob("tests/**/meson.build"), *ROOT.glob("lib/**/meson.build"),
                 *ROOT.glob("bench/meson.build")]:
        for name in re.findall(r"'([\w.-]+(?:/[\w.-]+)+)'", path.read_text()):
            found[name] = path.parent
        for name in re.findall(r"\btest\(\s*'([^']+)'", path.read_text()):
            found[name] = path.parent
    for path in ROOT.glob("fuzz/*_fuzz.c"):
        found["fuzz/" + path.name[:-len("_fuzz.c")]] = path.parent
    return found


@functools.cache
def words(path):
    return set(re.findall(r"\w+", path.read_text(errors="replace")))


def parse(name):
    """(kind, ...) of a test's name: ("pytest", id), ("wire", path), ("meson", test, case or None), ("fuzz", target),
    ("autobahn", group or None)."""
    name = name.strip().strip("`").strip()
    if name == "autobahn" or name.startswith("autobahn:"):
        return ("autobahn", name[9:] or None)
    if name.startswith("fuzz:"):
        return ("fuzz", name[5:])
    if name.startswith("tests/wire/") and "::" not in name and not name.endswith(".py"):
        return ("wire", name)
    if ".py" in name:
        return ("pytest", name)
    name = name.removeprefix("unit:").removeprefix("meson:")
    test, _, case = name.replace("::", ":").partition(":")
    return ("meson", test.strip(), re.sub(r"\W+", "_", case.strip()) or None)


def problem(name):
    """None when the test exists, else what is wrong."""
    kind, what, *rest = parse(name)
    if kind == "autobahn":
        return None if (ROOT / "tools" / "autobahn.py").exists() else "no Autobahn runner"
    if kind == "fuzz":
        return None if (ROOT / "fuzz" / f"{what}_fuzz.c").exists() else f"no fuzz/{what}_fuzz.c"
    if kind == "wire":
        there = any(ROOT.glob(what)) if what.endswith(".wire") else any((ROOT / what).glob("**/*.wire"))
        return None if there else "no such transcript"
    if kind == "pytest":
        path, *parts = what.split("::")
        if not (ROOT / path).is_file():
            return f"no file {path}"
        gone = [p for p in parts if p.split("[")[0] not in words(ROOT / path)]
        return f"{path} has no {gone[0]}" if gone else None
    folder = meson_tests().get(what)
    if folder is None:
        return f"no meson test {what}"
    case = rest[0]
    if case and not any(case in words(path) for path in folder.glob("**/*.c")):
        return f"no case {case} in {folder.relative_to(ROOT)}"
    return None
