"""The store: named counters over HTTP, kept in one file of the volume.

GET /<name> is the count, POST /<name> adds one; both answer the number as text.
"""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FILE = Path(os.environ.get("STORE_FILE", "/data/counts.json"))
PORT = int(os.environ.get("STORE_PORT", "6400"))


class Counts:
    """Counters that survive a restart; the file is replaced as a whole."""

    def __init__(self, file):
        self._file = file
        self._lock = threading.Lock()
        self._counts = json.loads(file.read_text()) if file.exists() else {}

    def get(self, name):
        with self._lock:
            return self._counts.get(name, 0)

    def add(self, name):
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
            draft = self._file.with_suffix(".new")
            draft.write_text(json.dumps(self._counts))
            draft.replace(self._file)
            return self._counts[name]


class Handler(BaseHTTPRequestHandler):
    counts = None  # set by main

    def do_GET(self):
        self.answer(self.counts.get(self.path))

    def do_POST(self):
        self.answer(self.counts.add(self.path))

    def answer(self, number):
        body = f"{number}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """One line per count would drown the log."""


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for the requests that are under way
    request_queue_size = 128


def main():
    Handler.counts = Counts(FILE)
    server = Server(("", PORT), Handler)
    stop = threading.Thread(target=server.shutdown)
    signal.signal(signal.SIGTERM, lambda *_: stop.start())
    print(f"store: {FILE} on port {PORT}")
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    print("store: stopped")


if __name__ == "__main__":
    main()
