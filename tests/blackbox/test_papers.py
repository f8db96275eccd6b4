"""The papers say what is: the table of the mission is whole, and the commands that the README shows work as shown."""
import json
import re

from harness import ROOT, Client, peal

ROWS = {"A": 30, "B": 34, "C": 20, "D": 19, "E": 16, "F": 18, "G": 17, "H": 20, "I": 12, "J": 17}


def test_mission_has_all_rows():
    found = re.findall(r"^\| ([A-J])(\d+) \| [^|]+ \| (.+) \|$", (ROOT / "docs" / "mission.md").read_text(), re.M)
    assert [(a, int(n)) for a, n, _ in found] == [(k, i) for k, n in ROWS.items() for i in range(1, n + 1)]
    assert all(proof.startswith("not yet") or "`" in proof for _, _, proof in found)


def readme_config():
    text = (ROOT / "README.md").read_text()
    return re.search(r"```json\n(\{.+?\n\})\n```", text, re.S)[1]


def test_configuration_of_the_readme_is_accepted(tmp_path):
    (tmp_path / "peal.json").write_text(readme_config())
    r = peal("check", "config", tmp_path / "peal.json")
    assert r.returncode == 0, r.stdout + r.stderr


def test_configuration_of_the_demo_is_accepted():
    r = peal("check", "config", ROOT / "web" / "demo.json")
    assert r.returncode == 0 and "warning:" not in (r.stdout + r.stderr).lower(), r.stdout + r.stderr


def test_the_tour_of_the_readme(start):
    s = start(cfg=json.loads(readme_config()))
    c = Client(s)
    c.subscribe("news:front")
    s.http("POST", "/api/publish", json.dumps({"channel": "news:front", "data": {"title": "Hello"}}),
           {"X-API-Key": json.loads(readme_config())["http_api"]["key"]})
    assert c.pub()[1]["data"] == {"title": "Hello"}
    c.close()


def test_every_intended_difference_is_in_the_papers():
    rows = [line for line in (ROOT / "tests" / "wire" / "differs.txt").read_text().splitlines() if not line.startswith("#")]
    paper = (ROOT / "docs" / "compatibility.md").read_text()
    for row in rows:
        recorded, ours = (x.strip() for x in row.split("|")[:2])
        assert recorded in paper, f"docs/compatibility.md does not name {recorded}"
        assert (ROOT / "tests" / "wire" / f"{ours}.wire").exists() and not (ROOT / "tests" / "wire" / f"{recorded}.wire").exists()
