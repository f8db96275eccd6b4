"""Rooms and ranks: an include may point to one's own room or to a room of a lower rank, never up and never sideways."""
import re

from devlib import ROOT

RANK = {"base": 0, "codec": 1, "metrics": 1, "config": 2, "shard": 2, "msg": 2, "net": 3, "http": 4, "lib": 4, "link": 5,
        "engine": 6, "auth": 7, "proxy": 7, "hub": 8, "session": 9, "dialect": 10, "transport": 11, "api": 12, "admin": 12,
        "consume": 12, "server": 13, "cli": 14}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0] if parts[0] == "lib" else None


def upward(files):
    """Texts of the includes that point up or sideways. A name without a folder is a neighbour in the same room."""
    found = []
    for path in files:
        room = room_of(path)
        if room is None:
            continue
        if room not in RANK:
            found.append(f"{path.relative_to(ROOT)}: room {room} has no rank in tools/layers.py")
            continue
        text = path.read_text(errors="replace")
        for m in INCLUDE.finditer(text):
            target = m[1].split("/")[0] if "/" in m[1] else room
            if target == room or (target in RANK and RANK[target] < RANK[room]):
                continue
            if target == "peal":  # the public headers: whoever implements or uses the library
                continue
            line = text.count("\n", 0, m.start(1)) + 1
            why = f"rank {RANK[target]}" if target in RANK else "no room"
            found.append(f"{path.relative_to(ROOT)}:{line}: room {room} (rank {RANK[room]}) includes {m[1]} ({why})")
    return found


def rooms_text(files):
    """One line a rank: the rooms that exist, with their number of lines."""
    lines = {}
    for path in files:
        room = room_of(path)
        if room:
            lines[room] = lines.get(room, 0) + path.read_text(errors="replace").count("\n")
    rows = []
    for rank in sorted(set(RANK.values())):
        here = [f"{r} {lines[r]}" for r in RANK if RANK[r] == rank and r in lines]
        if here:
            rows.append(f"  {rank:2}  " + ", ".join(here))
    return "\n".join(rows)
