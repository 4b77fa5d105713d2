"""The web application: shows where it came from, and counts visits in the store.

SIGTERM stops taking connections and lets the requests that are under way finish.
"""

import html
import json
import os
import signal
import string
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("WEB_PORT", "8080"))
STORE = os.environ.get("STORE_URL", "http://127.0.0.1:6400")
HERE = Path(__file__).parent
FACTS = ("environment", "change", "patchset", "revision", "url")
LONGEST_SLEEP = 30.0


def facts():
    """What pydeploy tells every container about itself."""
    return {name: os.environ.get(f"PYDEPLOY_{name.upper()}", "") for name in FACTS}


def visits(method):
    """The count in the store, after adding one with POST; None when the store does not answer."""
    request = urllib.request.Request(f"{STORE}/visits", method=method)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return int(answer.read())
    except (OSError, ValueError):
        return None


def page(method):
    values = {name: html.escape(value) or "none" for name, value in facts().items()}
    count = visits(method)
    values["visits"] = "unknown: the store does not answer" if count is None else str(count)
    values["short_revision"] = values["revision"][:12]
    return string.Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(values)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        route = {
            "/": self.show_page,
            "/api": self.show_api,
            "/healthz": self.show_health,
            "/slow": self.show_slow,
            "/style.css": self.show_style,
        }.get(parts.path)
        if route is None:
            self.answer(404, "not found\n", "text/plain")
        else:
            route(parse_qs(parts.query))

    do_HEAD = do_GET

    def show_page(self, _):
        # A HEAD is how tools look whether somebody is there: no visit.
        self.answer(200, page("POST" if self.command == "GET" else "GET"), "text/html")

    def show_api(self, _):
        text = json.dumps({**facts(), "visits": visits("GET")}) + "\n"
        self.answer(200, text, "application/json")

    def show_health(self, _):
        is_healthy = visits("GET") is not None
        text = "ok\n" if is_healthy else "the store does not answer\n"
        self.answer(200 if is_healthy else 503, text, "text/plain")

    def show_slow(self, query):
        try:
            seconds = float(query.get("seconds", ["1"])[0])
        except ValueError:
            self.answer(400, "seconds should be a number\n", "text/plain")
            return
        seconds = min(max(seconds, 0.0), LONGEST_SLEEP)
        time.sleep(seconds)
        self.answer(200, f"slept {seconds:g} s\n", "text/plain")

    def show_style(self, _):
        self.answer(200, (HERE / "style.css").read_text(encoding="utf-8"), "text/css")

    def answer(self, status, text, kind):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *values):
        if self.path != "/healthz":
            super().log_message(format, *values)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for the requests that are under way
    request_queue_size = 128


def main():
    server = Server(("", PORT), Handler)
    # shutdown() waits for serve_forever, so the signal handler itself cannot call it.
    stop = threading.Thread(target=server.shutdown)
    signal.signal(signal.SIGTERM, lambda *_: stop.start())
    print(f"web: port {PORT}, store {STORE}")
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    print("web: stopped")


if __name__ == "__main__":
    main()
