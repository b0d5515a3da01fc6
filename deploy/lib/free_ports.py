"""Prints N loopback ports that are free now and lie below the ephemeral range, so that no outgoing connection takes one."""

import random
import socket
import sys

FIRST, LAST = 32000, 32767
_marks = []


def free_ports(count):
    """So many different ports. No one else who asks here, or asks the Ports of tests/support, is given them while this process lives:
    what is to listen on one may not do so yet, or may be down for a while."""
    found = []
    for port in random.sample(range(FIRST, LAST + 1), LAST + 1 - FIRST):
        if len(found) == count:
            break
        mark, candidate = socket.socket(socket.AF_UNIX), socket.socket()
        try:
            # An abstract socket's name is a lock that the kernel releases when its owner ends, however it ends.
            mark.bind("\0hotline-test-port-%d" % port)
            candidate.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        finally:
            candidate.close()
        _marks.append(mark)
        found.append(port)
    if len(found) < count:
        raise SystemExit("only %d of %d ports from %d to %d are free" % (len(found), count, FIRST, LAST))
    return found


if __name__ == "__main__":
    print("\n".join(str(port) for port in free_ports(int(sys.argv[1]))))
