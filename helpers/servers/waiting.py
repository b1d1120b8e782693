"""A server that answers each request after a delay, as one far away, or one that waits for its database.

It is one thread of asyncio, so a thousand requests may wait at once. ``/?wait=SECONDS`` asks for another
delay, and ``/cpu`` for the seconds of CPU time that the server has used so far.
"""

import argparse
import asyncio
import os
import time
from urllib.parse import parse_qs, urlsplit

from helpers import programs

_BODY = b"hello, and thank you for waiting\n"
_LONGEST = 10.0  # seconds that a request may ask us to wait
_REPLY = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


async def _reply(request: bytes, delay: float) -> bytes:
    """Return the answer to a request when it is time for it."""
    status, body = b"200 OK", _BODY
    if b"?" in request or b"/cpu" in request:  # the usual request costs nothing more
        try:
            url = urlsplit(request.split()[1].decode("ascii"))
            delay = 0 if url.path == "/cpu" else float(parse_qs(url.query).get("wait", [delay])[0])
            if not 0 <= delay <= _LONGEST:
                raise ValueError
        except (ValueError, IndexError):
            status, body, delay = b"400 Bad Request", b"wait: expected 0 to 10 seconds\n", 0
        else:
            body = b"%r\n" % time.process_time() if url.path == "/cpu" else _BODY
    await asyncio.sleep(delay)
    return _REPLY % (status, len(body), body)


async def _serve(delay: float) -> None:
    """Serve until the program that started this one closes our standard input, or is gone."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(await _reply(request.partition(b"\r\n")[0], delay))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone or spoke nonsense: the others are still to be served
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    programs.when_input_closes(lambda: os._exit(0))
    print(f"http://127.0.0.1:{port}/", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer each HTTP request after a delay.")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds before each answer")
    asyncio.run(_serve(parser.parse_args().delay))
