"""Prints N loopback ports that are free now and lie below the ephemeral range, so that no outgoing connection takes one."""

import random
import socket
import sys

held = []
while len(held) < int(sys.argv[1]):
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randrange(32000, 32768)))
        held.append(candidate)
    except OSError:
        candidate.close()
print("\n".join(str(one.getsockname()[1]) for one in held))
