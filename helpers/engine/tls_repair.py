"""The repair of a fault that ends healthy TLS connections where Python is built with OpenSSL 3.4 or later.

OpenSSL keeps an error queue for each thread. When a program writes to a connection that the other side has
closed, Python leaves the error in that queue (CPython's issues 148594 and 81891). The next connection that
this thread reads from then raises it, as a BrokenPipeError, though nothing is wrong with it. In a process of
Dask all connections belong to one thread, so one that ends takes others with it.

Hence Tornado, on which Dask's connections are built, clears the queue here whenever it has closed one. To
import this module is enough. Each process needs it: a client imports it with ``helpers.engine``; schedulers,
workers and nannies by the options ``--preload`` and ``--preload-nanny`` of Dask's commands.

The test ``test_a_connection_that_breaks_harms_no_other`` is skipped on a Python without the fault. When it is
skipped on the newest versions of all that the series runs on, this module can go.
"""

import ssl

from tornado.iostream import SSLIOStream

_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
_close_fd = SSLIOStream.close_fd


def clear_errors() -> None:
    """Clear this thread's error queue, which Python does whenever it makes the object of a new connection."""
    _CONTEXT.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)


def close_fd(stream: SSLIOStream) -> None:
    """Close the stream's socket as Tornado does, and clear the error queue."""
    _close_fd(stream)
    clear_errors()


if ssl.OPENSSL_VERSION_INFO >= (3, 4):
    SSLIOStream.close_fd = close_fd  # type: ignore[assignment]
