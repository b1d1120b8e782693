"""A server that answers each request after a delay, as one far away, or one that waits for its database.

It is one thread of asyncio, so a thousand requests may wait at once.
"""

import argparse
import asyncio
import os

from helpers import programs

_BODY = b"hello, and thank you for waiting\n"
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


async def _serve(delay: float) -> None:
    """Serve until the program that started this one closes our standard input, or is gone."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(_REPLY % (len(_BODY), _BODY))
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
