"""A server with TLS for tests: answers every POST with the status in its path (`/503`).

    https_server.py CERTIFICATE KEY

Prints `READY <port>`.
"""

import http.server
import ssl
import sys


class Handler(http.server.BaseHTTPRequestHandler):

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("READY %d" % server.server_port, flush=True)
server.serve_forever()
