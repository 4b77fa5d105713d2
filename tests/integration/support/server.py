"""The program inside the tests' microservices: answers with what it was told about itself.

GET /          200, JSON of its PYDEPLOY_* variables
GET /slow?s=2  the same after two seconds
GET /status/N  answers with status N
GET /reach?host=H&port=P   200 when a TCP connection to H:P is accepted, else 502
SIGTERM lets requests that are being answered end first.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

answering = threading.Semaphore(1000)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with answering:
            self.answer()

    def answer(self):
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        status = 200
        body = {key: value for key, value in os.environ.items() if key.startswith("PYDEPLOY_")}
        if parts.path == "/slow":
            time.sleep(float(query.get("s", "1")))
        elif parts.path.startswith("/status/"):
            status = int(parts.path.rsplit("/", 1)[1])
        elif parts.path == "/reach":
            try:
                socket.create_connection((query["host"], int(query["port"])), timeout=1).close()
            except OSError as problem:
                status, body = 502, {"problem": str(problem)}
        elif parts.path == "/headers":
            body = dict(self.headers.items())
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True  # an idle kept-alive connection must not hold up the end
    request_queue_size = 128


def main():
    server = Server(("0.0.0.0", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("listening", flush=True)
    server.serve_forever()
    for _ in range(1000):  # all of them are free once nothing is being answered
        answering.acquire()


main()
