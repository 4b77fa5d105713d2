"""The programs of the tests' service with data: a store with a volume, and a front before it.

store: GET /rows answers /data/rows, POST /rows?row=X appends X; port 9000.
front: GET / answers 200 with its PYDEPLOY_* variables; /rows is handed on to the store.
"""

import json
import os
import signal
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ROWS = "/data/rows"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def answer(self, method):
        try:
            status, body = (store if sys.argv[1] == "store" else front)(method, self.path)
        except OSError as problem:
            status, body = 502, str(problem)
        raw = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *arguments):
        pass


def store(method, path):
    row = parse_qs(urlsplit(path).query).get("row", [""])[0]
    if method == "POST":
        with open(ROWS, "a") as file:
            file.write(row + "\n")
    return 200, open(ROWS).read() if os.path.exists(ROWS) else ""


def front(method, path):
    if not path.startswith("/rows"):
        told = {key: value for key, value in os.environ.items() if key.startswith("PYDEPLOY_")}
        return 200, json.dumps(told)
    asked = urllib.request.Request("http://store:9000" + path, method=method)
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return answer.status, answer.read().decode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    server = Server(("0.0.0.0", 9000 if sys.argv[1] == "store" else 8080), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


main()
