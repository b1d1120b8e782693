"""What is wrong with an argument, said in one line: its name, what was expected, and what came instead."""

from helpers.show import short


def whole(least: int = 1, most: int | None = None, /, **arguments: object) -> None:
    """Check that each argument is a whole number from ``least`` to ``most``. Raises ValueError."""
    for name, value in arguments.items():
        if type(value) is not int or value < least or (most is not None and value > most):
            limits = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise ValueError(f"{name}: expected a whole number {limits}, got {short(value)}")


def seconds(least: float, most: float, /, **arguments: object) -> None:
    """Check that each argument is a number of seconds from ``least`` to ``most``. Raises ValueError."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"{name}: expected {least:g} to {most:g} seconds, got {short(value)}")


def http(url: str) -> tuple[str, str]:
    """Check that this is an http:// URL. Raises ValueError.

    Returns its host, with the port if it names one, and what a request asks for there: path and query. A
    fragment is not sent. A URL with a user name is refused, as nobody here would pass it on.
    """
    from urllib.parse import urlsplit  # only here, as it takes a while to import

    if not isinstance(url, str) or not url.lower().startswith("http://"):
        raise ValueError(f"url: expected http://host/path, got {short(url)}")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError(f"url: expected other characters as %XX, got {short(url)}")
    try:
        parts = urlsplit(url)
        whole = parts.hostname and parts.username is None and parts.port != 0
    except ValueError:  # a port that is no number, or an address in brackets that is none
        whole = False
    if not whole:
        raise ValueError(f"url: expected http://host/path, got {short(url)}")
    return parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
