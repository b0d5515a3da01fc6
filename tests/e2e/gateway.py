"""A gateway (SMS, WeCom) for tests: takes CloudEvents over HTTP, checks their signature, and fails as it is told.

    gateway.py FOLDER SECRET_KEY_ID=SECRET …

Prints `READY <port>`. Each request is a line of FOLDER/requests.jsonl. What it answers is in FOLDER/answers, a word for each
request in turn, the last one for all that follow: `200`, `503`, `503:2` (Retry-After), `302` (to itself), `drop` (hangs up after
reading), `hang` (never answers), `pending`, `not_reached`.
"""

import hashlib
import hmac
import http.server
import json
import os
import socketserver
import sys
import threading

FOLDER = sys.argv[1]
SECRETS = dict(argument.split("=", 1) for argument in sys.argv[2:])
LOCK = threading.Lock()
NEVER = threading.Event()
count = 0


def answer_for(number):
    try:
        with open(os.path.join(FOLDER, "answers"), encoding="ascii") as file:
            words = file.read().split()
    except FileNotFoundError:
        words = ["200"]
    return words[min(number, len(words) - 1)]


def good_signatures(headers, body):
    """Names of the secrets with which the request is signed rightly."""
    text = "%s.%s.%s" % (headers["Hotline-Delivery"], headers["Hotline-Timestamp"], body)
    good = []
    for part in headers["Hotline-Signature"].split(", "):
        key_id, _, given = part.partition("=")
        secret = SECRETS.get(key_id)
        if secret and hmac.compare_digest(given, hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()):
            good.append(key_id)
    return good


class Handler(http.server.BaseHTTPRequestHandler):

    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with LOCK:
            word = answer_for(count)
            count += 1
            with open(os.path.join(FOLDER, "requests.jsonl"), "a", encoding="utf-8") as file:
                json.dump({"id": self.headers["Hotline-Delivery"], "type": self.headers["Content-Type"], "path": self.path,
                           "signed_by": good_signatures(self.headers, body), "event": json.loads(body), "answer": word}, file)
                file.write("\n")
        if word == "hang":
            NEVER.wait()
        if word == "drop" or word == "hang":
            self.close_connection = True
            return
        code, _, wait = word.partition(":")
        result = {"pending": b'{"result": "pending"}', "not_reached": b'{"result": "not_reached"}'}.get(word, b"{}")
        self.send_response(int(code) if code.isdigit() else 200)
        if wait:
            self.send_header("Retry-After", wait)
        if code == "302":
            self.send_header("Location", self.path + "/elsewhere")
        self.send_header("Content-Length", str(len(result)))
        self.end_headers()
        self.wfile.write(result)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
print("READY %d" % server.server_port, flush=True)
server.serve_forever()
