"""A tap on the line: a relay on this computer, between a server and its visitors, that keeps what passes.

visitor <----> relay <----> server
                 |
               heard
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer


@dataclass
class Tap:
    """Where the relay listens, and what has passed so far, one piece a connection and direction."""

    host: str
    port: int
    keep: bool = True
    _heard: list[bytearray] = field(default_factory=list, repr=False)
    _passed: list[int] = field(default_factory=list, repr=False)

    @property
    def heard(self) -> bytes:
        """All that has passed, one connection and direction after the other; nothing unless it is kept."""
        return b"\n".join(map(bytes, self._heard))

    @property
    def passed(self) -> int:
        """How many bytes have passed, in both directions."""
        return sum(self._passed)


@contextmanager
def tapped(host: str, port: int, *, keep: bool = True) -> Iterator[Tap]:
    """Relay between the server at this address and whoever connects to the tap, as long as the block lasts.

    Without ``keep``, what passes is counted, and not kept. Connections that are open at its end stay so
    until one side closes them.
    """

    class Relay(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection((host, port)) as server:
                back = threading.Thread(target=_pass_on, args=(server, self.request, tap), daemon=True)
                back.start()
                _pass_on(self.request, server, tap)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        relay.daemon_threads = True
        tap = Tap(*relay.server_address)
        tap.keep = keep
        threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield tap
        finally:
            relay.shutdown()


def _pass_on(source: socket.socket, sink: socket.socket, tap: Tap) -> None:
    """Pass on what comes, at once, and keep it, until there is no more."""
    tap._heard.append(heard := bytearray())
    number = len(tap._passed)
    tap._passed.append(0)
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):  # one side is gone
        while piece := source.recv(2**18):
            heard += piece if tap.keep else b""
            tap._passed[number] += len(piece)
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
