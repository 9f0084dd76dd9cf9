"""Let a `synthst` command run in a fork of the test session's warm process; see warm_start.py.

Python imports this before the command's script, where the folder is on the PYTHONPATH.
"""

import os
import socket
import sys

ADDRESS = os.environ.get("SYNTHST_TEST_WARM_START")
if ADDRESS and os.path.basename(sys.argv[0]) == "synthst":
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(ADDRESS)
        request = repr((sys.argv, os.getcwd(), dict(os.environ))).encode()
        socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(request)
        answer = connection.recv(1)
    os._exit(answer[0] if answer else 70)
