"""Certificates for TLS: one for scheduler, workers and clients alike, signed by itself, for a year.

Whoever has its private key is let in, and nobody else; so it is to this engine what the key is to our queue.
"""

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from distributed.security import Security

from helpers.engine import tls_repair

CERTIFICATE, KEY = "cert.pem", "key.pem"
_ROLES = ("client", "scheduler", "worker")


def certify(folder: str | os.PathLike[str]) -> Security:
    """Make a certificate and its private key, two files in ``folder`` that only their owner can read.

    Raises FileExistsError when there are such files, OSError when they cannot be written.
    """
    made = Security.temporary()
    for name, text in {CERTIFICATE: made.tls_ca_file, KEY: made.tls_client_key}.items():
        file = Path(folder, name)
        file.touch(0o600, exist_ok=False)
        file.write_text(text, encoding="ascii")
    return load(folder)


def load(folder: str | os.PathLike[str]) -> Security:
    """Return what a client needs to use the certificate in ``folder``. Raises FileNotFoundError for none."""
    certificate, key = (str(Path(folder, name).resolve(strict=True)) for name in (CERTIFICATE, KEY))
    files = {f"tls_{role}_cert": certificate for role in _ROLES} | {f"tls_{role}_key": key for role in _ROLES}
    return Security(require_encryption=True, tls_ca_file=certificate, **files)


def options(security: Security | None) -> list[str]:
    """Return what Dask's commands must be given to use a certificate; nothing without one.

    A nanny needs ``--preload-nanny`` as well, which the scheduler's command does not know.
    """
    if security is None:
        return []
    return [
        f"--preload={tls_repair.__name__}",
        f"--tls-ca-file={security.tls_ca_file}",
        f"--tls-cert={security.tls_scheduler_cert}",
        f"--tls-key={security.tls_scheduler_key}",
    ]


def try_certificate(address: str, security: Security | None = None) -> str:
    """Connect to a scheduler's tls:// address, with a certificate or without; return why not, "" if let in.

    Raises ValueError for an address that is not tls://host:port.
    """
    parts = urlsplit(address)
    if parts.scheme != "tls" or not parts.hostname or not parts.port:
        raise ValueError(f"address: expected tls://host:port, got {address!r}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if security is not None:
        context = security.get_connection_args("client")["ssl_context"]
    # A stranger does not care whom it talks to: it is for the scheduler to refuse.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=10) as line,
            context.wrap_socket(line) as secured,
        ):
            return "" if secured.recv(1) else "the scheduler hung up"
    except OSError as error:
        return str(error)
