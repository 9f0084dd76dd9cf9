"""A local chat endpoint that answers as a test tells it: well, badly, late, or not at all."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the server sends for one request."""

    text: str | None = ""
    finish: str = "stop"
    status: int = 200
    stall_seconds: float = 0.0
    trickle_seconds: float = 0.0  # between the bytes of the body
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None  # in place of a chat completion
    usage: Mapping[str, int] | None = field(
        default_factory=lambda: {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
    )
    logprobs: list[float] | None = None

    def to_body(self) -> bytes:
        """Return the JSON of a chat completion, or of an error."""
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": {"message": self.text, "code": None}}).encode()
        message = {"role": "assistant", "content": self.text}
        choice: dict[str, object] = {"index": 0, "message": message, "finish_reason": self.finish}
        if self.logprobs is not None:
            choice["logprobs"] = {"content": [{"token": "x", "logprob": value} for value in self.logprobs]}
        return json.dumps({"id": "1", "choices": [choice], "usage": self.usage}).encode()


Answering = Callable[[dict[str, object], int], Answer]


class ChatServer:
    """The server: ``answer`` gets a request and its number from 0 on; ``requests`` are those that came."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.requests: list[dict[str, object]] = []
        self.headers: list[Mapping[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def sources(self) -> list[str]:
        """Return what the requests asked for: the last line of each prompt."""
        return [last_line(request) for request in self.requests]

    def take(self, request: dict[str, object], headers: Mapping[str, str]) -> Answer:
        """Note a request and return its answer."""
        with self.lock:
            number = len(self.requests)
            self.requests.append(request)
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        return self.answer(request, number)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802
                length = int(self.headers["Content-Length"])
                answer = server.take(
                    json.loads(self.rfile.read(length)),
                    {key.lower(): value for key, value in self.headers.items()},
                )
                server.closing.wait(answer.stall_seconds)
                with server.lock:
                    server.at_once -= 1
                try:
                    self._send(answer)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def _send(self, answer: Answer) -> None:
                body = answer.to_body()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                pieces = [body[i : i + 1] for i in range(len(body))] if answer.trickle_seconds else [body]
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    if answer.trickle_seconds:
                        time.sleep(0 if server.closing.is_set() else answer.trickle_seconds)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def serve(answer: Answering) -> Iterator[ChatServer]:
    """Run a server on a free port of this machine."""
    server = ChatServer(answer)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def last_line(request: dict[str, object]) -> str:
    """Return the sentence that a request asks for, with the default prompt."""
    messages = request["messages"]
    assert isinstance(messages, list)
    return str(messages[-1]["content"]).split("\n")[-1]


def upper(request: dict[str, object], _: int) -> Answer:
    """Translate well: every sentence in capitals."""
    return Answer(last_line(request).upper())
