"""Run commands that end when this process is told to end."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Children:
    """Commands, from any thread, each in a process group of its own that gets the signals of this process.

    What ends this process alone, such as `kill` or a job's supervisor, so reaches what the commands started.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a second signal may come while the first is passed on
        self._groups: set[int] = set()
        self._signal: int | None = None

    def run(self, command: Sequence[str], **options: Any) -> int:
        """Run a command, with subprocess.Popen's ``options``, to its end; return how it ended.

        After a signal the end is that of all its processes: they hold a pipe. No command begins any more.
        """
        held, holding = os.pipe()
        with open(held, "rb", buffering=0) as pipe:
            try:
                with self._lock:
                    if self._signal is not None:
                        return -self._signal
                    process = subprocess.Popen(command, process_group=0, pass_fds=(holding,), **options)
                    self._groups.add(process.pid)
            finally:
                os.close(holding)
            ended = process.wait()
            if self._signal is not None:
                pipe.read()
        with self._lock:
            self._groups.discard(process.pid)
        return ended

    @contextmanager
    def signalled(self) -> Iterator[None]:
        """Pass signals on in the block, and then end as they want: by KeyboardInterrupt or SystemExit.

        Those that this process ignores, as under nohup, stay ignored. Only a main thread gets signals.
        """
        before = {}
        if threading.current_thread() is threading.main_thread():
            wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            before = {number: signal.signal(number, self._pass_on) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _: FrameType | None) -> NoReturn:
        with self._lock:
            self._signal = number
            for group in self._groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)
