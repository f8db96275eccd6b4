"""Servers of one test, and the check of how they ended. Shared with tests/browser."""
import itertools

import harness


class Starter:
    def __init__(self, folder):
        self.folder, self.servers, self.numbers = folder, [], itertools.count(1)

    def __call__(self, **kw):
        s = harness.Server(self.folder / f"server{next(self.numbers)}", **kw)
        self.servers.append(s)
        return s

    def finish(self):
        bad = []
        for s in self.servers:
            try:
                if s.proc.poll() is None:
                    s.stop()
                elif s.proc.returncode not in (0, -9) and not getattr(s, "may_fail", False):
                    bad.append(f"status {s.proc.returncode}:\n{s.log_text()}")
            except AssertionError as e:
                bad.append(str(e))
        assert not bad, "\n".join(bad)
