"""A process that has torch and ESPnet imported, in whose forks the recipes' commands run.

A recipe is some thirty commands, each of which would import for seconds what it then needs for a moment. The
process itself does nothing but fork, so that what runs in one fork cannot be seen in another. Where a test
kills a recipe, and in everyday use, every command is a process of its own.
"""

import ast
import functools
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).with_name("warm")
IMPORTED = [
    "synthst.cli",
    "synthst.command_help",
    "synthst.commands",
    "synthst.teacher_commands",
    "synthst.speech_commands",
    "synthst.espnet.train",
    "synthst.espnet.speech_train",
    "synthst.espnet.task",
    "synthst.espnet.speech_task",
    "synthst.espnet.translate",
    "synthst.espnet.export",
    "synthst.analysis.entropy",
    "synthst.targets.filter",
    "synthst.targets.replace",
    "synthst.targets.expand",
    "synthst.pack.command",
    "synthst.corpora.bitext",
]


@functools.cache
def warm_environment() -> dict[str, str]:
    """Start the process, once for this one, and return what lets commands find it."""
    address = str(Path(tempfile.mkdtemp(prefix="synthst_warm_")) / "socket")
    no_threads = {"OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}  # of pyarrow
    environment = {**os.environ, **no_threads}
    server = subprocess.Popen([sys.executable, __file__, address], env=environment, stdout=subprocess.PIPE)
    assert server.stdout and server.stdout.readline() == b"ready\n"
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path, "SYNTHST_TEST_WARM_START": address}


def serve(address: str) -> None:
    """Run requests until the process that asked for this one ends."""
    for name in IMPORTED:
        __import__(name)
    told, tell = socket.socketpair()  # a byte for each child that ended
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(64)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(told, selectors.EVENT_READ)
        print("ready", flush=True)
        while os.getppid() == parent:
            for key, _ in selector.select(timeout=1):
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    if pid := begin(connection):
                        running[pid] = connection
                        selector.register(connection, selectors.EVENT_READ, pid)
                elif key.fileobj is told:
                    told.recv(4096)
                elif key.data in running:  # whoever asked was killed
                    selector.unregister(running[key.data])
                    os.killpg(key.data, signal.SIGKILL)
            collect(running, selector)


def begin(connection: socket.socket) -> int:
    """Fork, run the command of a request in the child, and return the child's number."""
    size, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    request = b""
    while len(request) < int.from_bytes(size, "big"):
        request += connection.recv(1 << 20)
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    os.setpgid(0, 0)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.close()
    os._exit(run(*ast.literal_eval(request.decode())))


def run(arguments: list[str], folder: str, environment: dict[str, str]) -> int:
    """Run a command of synthst as its own process would."""
    from synthst.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    code: object = 70
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else 1


def collect(running: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    """Tell the exit codes of the children that have ended."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            break
        connection = running.pop(pid)
        if connection in [key.fileobj for key in selector.get_map().values()]:
            selector.unregister(connection)
            code = os.waitstatus_to_exitcode(status)
            connection.sendall(bytes([code if code >= 0 else 128 - code]))
        connection.close()


if __name__ == "__main__":
    serve(sys.argv[1])
