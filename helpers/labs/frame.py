"""What all labs share: one thread owns a lab's state, and the newest lab of a kind ends the one before.

A widget's callback may come in any thread of the kernel, so it only asks; the lab's own acts and draws.
"""

import queue
import threading
from collections.abc import Callable
from html import escape
from typing import Any

from IPython.display import display
from ipywidgets import HTML, Button, Layout, VBox, Widget

Act = Callable[[], object]

_running: dict[str, "Lab"] = {}  # by name


class Lab:
    """A box of widgets, and the thread that does what is asked for and draws what came of it."""

    def __init__(self, name: str, draw: Act, end: Act, every: float | None = None) -> None:
        """Prepare a lab; ``show`` starts it.

        ``draw`` shows the state: after everything that was asked for, and ``every`` so many seconds if that
        is given. ``end`` ends all that the lab has started.
        """
        self.name, self.every, self._draw, self._end = name, every, draw, end
        self._asked: queue.SimpleQueue[Act | None] = queue.SimpleQueue()
        self._said = HTML()
        self._thread = threading.Thread(target=self._work, name=f"lab {name}", daemon=True)

    def show(self, *widgets: Widget) -> None:
        """End the lab of this name that runs, start this one, and show its widgets."""
        if before := _running.pop(self.name, None):
            before.stop()
        _running[self.name] = self
        self._thread.start()
        box = VBox([*widgets, self._said])
        _answer_while_busy(box)
        view = box._repr_mimebundle_()
        view["text/plain"] = f"a lab, {self.name}: run this cell in JupyterLab to use it"
        display(view, raw=True)  # type: ignore[no-untyped-call]

    def ask(self, act: Act) -> None:
        """Have the lab's thread do something soon, and draw."""
        self._asked.put(act)

    def button(self, label: str, act: Act, tip: str = "") -> Button:
        """Return a button that asks for something."""
        button = Button(description=label, tooltip=tip or label, layout=Layout(width="auto"))
        button.on_click(lambda _: self.ask(act))
        return button

    def on_choice(self, widget: Widget, act: Callable[[Any], object]) -> None:
        """Ask for something, with the new value, whenever a widget's value is changed, but not by the lab."""

        def changed(change: Any) -> None:
            if threading.current_thread() is not self._thread:
                self.ask(lambda: act(change["new"]))

        widget.observe(changed, names="value")

    def stop(self) -> None:
        """End the lab and all that it has started; nothing happens when it has ended."""
        self._asked.put(None)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        act: Act | None = self._draw
        try:
            while act is not None:
                self._try(act)
                act = self._next()
        finally:
            self._end()

    def _next(self) -> Act | None:
        """Return what is asked for next; to draw, when nothing has been for a while; None for the end."""
        try:
            return self._asked.get(timeout=self.every)
        except queue.Empty:
            return self._draw

    def _try(self, act: Act) -> None:
        """Do what is asked for, and draw; what goes wrong is said below the lab, which goes on."""
        try:
            act()
            if act is not self._draw:
                self._said.value = ""
                self._draw()
        except Exception as error:
            self._said.value = f'<p role="alert">{escape(f"{type(error).__name__}: {error}")}</p>'


def _answer_while_busy(widget: Widget) -> None:
    """Have what JupyterLab says of a widget come by the subshell that it chooses, past a cell that runs.

    ipykernel (7.4) sends it where the widget was last changed, which is in a cell or in our thread, and so
    behind all cells that wait to be run.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda data, chosen: chosen
    for inner in getattr(widget, "children", ()):
        _answer_while_busy(inner)
