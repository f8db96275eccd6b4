"""The demo page's quotes: publishes prices that wander through the HTTP API, some a second, until the server is gone.

  demo_quotes.py URL KEY [--pid SERVER]     ./dev serve starts it; with --pid it ends when that process does"""
import http.client
import json
import os
import random
import ssl
import sys
import time
import urllib.parse

SYMBOLS = {"BELL": 104.2, "TOWR": 58.4, "CHYM": 231.9, "GONG": 17.85, "BRNZ": 76.3, "ECHO": 142.6}
PER_SECOND = 5


def connect(url):
    at = urllib.parse.urlsplit(url)
    if at.scheme == "https":  # the demo's own certificate, on this machine
        return http.client.HTTPSConnection(at.netloc, timeout=5, context=ssl._create_unverified_context())
    return http.client.HTTPConnection(at.netloc, timeout=5)


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except OSError:
        return False


def main(argv):
    url, key = argv[1], argv[2]
    pid = int(argv[argv.index("--pid") + 1]) if "--pid" in argv else None
    opens, prices = dict(SYMBOLS), dict(SYMBOLS)
    link, was_up, tries = connect(url), False, 0
    while pid is None or is_alive(pid):
        symbol = random.choice(list(prices))
        # a walk that is drawn back to where it began, so that it can run for days
        prices[symbol] *= 1 + random.gauss(0, 0.0015) + (opens[symbol] / prices[symbol] - 1) * 0.004
        body = json.dumps({"channel": f"quotes:{symbol}", "data": {"price": round(prices[symbol], 2), "open": opens[symbol]}})
        try:
            link.request("POST", "/api/publish", body, {"X-API-Key": key, "Content-Type": "application/json"})
            answer = link.getresponse()
            answer.read()
            if answer.status != 200:
                return f"demo_quotes: the server answers {answer.status}"
            was_up, tries = True, 0
        except (OSError, http.client.HTTPException):
            link.close()
            link = connect(url)
            tries += 1
            if pid is None and tries > (20 if was_up else 50):
                return "demo_quotes: no server at " + url
        time.sleep(random.expovariate(PER_SECOND) if tries == 0 else 0.2)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv))
    except KeyboardInterrupt:
        pass
