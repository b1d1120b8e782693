"""What is shown: real source, so that no notebook holds a copy; a value in one line."""

import os
import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def source(thing: Callable[..., Any] | type) -> None:
    """Show the source of a function, a method or a class, highlighted. Raises TypeError for anything else.

    JupyterLab would break its lines anywhere, even within a word, to fit the pane; here they can be scrolled.
    """
    import inspect  # only here, as these take a while to import
    from textwrap import dedent

    if not (inspect.isfunction(thing) or inspect.isclass(thing)):
        raise TypeError(f"thing: expected a function or a class, got {short(thing)}")
    _show(dedent(inspect.getsource(thing)))


def program(path: str | os.PathLike[str]) -> None:
    """Show a file of Python, such as one to be run in a terminal. Raises OSError when it is not there."""
    _show(Path(path).read_text("utf-8"))


def _show(code: str) -> None:
    from IPython.display import Code, display  # only here, as it takes a while to import

    class WholeLines(Code):
        def _repr_html_(self) -> str:
            html: str = super()._repr_html_()  # type: ignore[no-untyped-call]
            look = "white-space: pre; word-break: normal; overflow-x: auto"
            return html.replace("<pre>", f'<pre style="{look}">', 1)

    display(WholeLines(code, language="python"))  # type: ignore[no-untyped-call]


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        """Count the bits of a large number: to turn it into text takes long, and Python may refuse to."""
        return f"<int of {x.bit_length():,} bits>" if x.bit_length() > 2000 else super().repr_int(x, level)


def short(value: object, longest: int = 60) -> str:
    """Return a value in one line of about ``longest`` characters, or twice that, whatever its repr does.

    It holds no memory address, so it is the same on every run.
    """
    if isinstance(value, bytes | bytearray) and len(value) > longest:
        return f"{len(value):,} bytes"  # to write out a large file only to cut it takes a while
    cut = _Short()
    cut.maxstring = cut.maxlong = cut.maxother = longest
    try:
        text = cut.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(text.split()))
    return text if len(text) <= 2 * longest else f"{text[: 2 * longest]} ..."
