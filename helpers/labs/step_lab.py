"""The lab step by step: two real threads, and a button for the next step of each."""

from html import escape

from ipywidgets import HTML, Button, Dropdown, HBox

from helpers.labs.frame import Lab
from helpers.labs.steps import PROGRAMS, State, Steps, Thread, ends


def step_by_step() -> None:
    """Show two real threads that add one to a counter. Each runs its next line when you press its button.

    Lose an update. Then take a lock, and try again. Then take two, and bring both threads to a halt.
    """
    steps = [Steps("no lock")]
    picture = HTML()
    choice = Dropdown(options=list(PROGRAMS), description="They use", tooltip="what the two threads run")
    buttons: list[Button] = []

    def restart(program: str) -> None:
        steps[0].stop()
        steps[0] = Steps(program)

    def draw() -> None:
        state = steps[0].state()
        picture.value = html(state, steps[0].program)
        for button, thread in zip(buttons, state.threads, strict=True):
            button.disabled = not thread.can_step

    lab = Lab("step by step", draw, lambda: steps[0].stop())
    lab.on_choice(choice, restart)
    buttons += [
        lab.button(f"Thread {n + 1}: next step", lambda n=n: steps[0].step(n))  # type: ignore[misc]
        for n in range(2)
    ]
    again = lab.button("Start again", lambda: restart(steps[0].program), "two new threads, the counter at 0")
    lab.show(choice, HBox([*buttons, again]), picture)


def html(state: State, program: str) -> str:
    """Return what is seen: both threads line by line, the counter, and in words what has come of it."""
    columns = "".join(_column(number, state) for number in range(len(state.threads)))
    return (
        f'<div style="display:flex;gap:3em;font-size:120%">{columns}'
        f'<div>counter<br><span style="font-size:300%">{state.counter}</span></div></div>'
        f'<p role="status" aria-live="polite" style="font-size:120%">{escape(story(state, program))}</p>'
    )


def _column(number: int, state: State) -> str:
    thread = state.threads[number]
    lines = "".join(f"<li>{_line(thread, place)}</li>" for place in range(len(thread.lines)))
    seen = "nothing" if thread.seen is None else thread.seen
    return f"<div><b>thread {number + 1}</b><ol>{lines}</ol>seen: <b>{seen}</b></div>"


def _line(thread: Thread, place: int) -> str:
    """Return a line: faded and ticked when it has run, marked when it is the next one."""
    line = f"<code>{escape(thread.lines[place])}</code>"
    if place < thread.done:
        return f'<span style="opacity:0.5">{line} ✓</span>'
    if place == thread.done:
        return f"<b>{line} ◀ {'waits' if thread.waits_for else 'next'}</b>"
    return line


def story(state: State, program: str) -> str:
    """Say in words what the threads are at, or what came of it."""
    if state.finished:
        return f"Both have added one, and the counter says {state.counter}. {_orders(state, program)}"
    if state.deadlock:
        return (
            "Deadlock: each thread waits for the lock that the other one holds, and neither lets go. "
            f"{_orders(state, program)} Had both taken the locks in the same order, it could not happen."
        )
    waits = [
        f"Thread {number + 1} waits for lock {thread.waits_for}, which thread "
        f"{state.holders[thread.waits_for] + 1} holds."
        for number, thread in enumerate(state.threads)
        if thread.waits_for
    ]
    return " ".join(waits) or "Which thread has its next step now? You are the scheduler."


def _orders(state: State, program: str) -> str:
    """Say how many orders of the steps end in the same way."""
    found = ends(program)
    alike = found[state.counter, state.deadlock]
    end = "in a deadlock" if state.deadlock else f"with {state.counter}"
    lost = "One update is lost. " if state.lost else ""
    return f"{lost}Of the {sum(found.values())} orders of these steps, {alike} end {end}."
