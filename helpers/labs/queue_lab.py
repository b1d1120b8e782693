"""The queue lab: a real master and real workers, to be killed, stopped and started again by hand."""

from bisect import bisect_right
from html import escape

from ipywidgets import HTML, Button, Dropdown, FloatSlider, HBox, IntSlider, Layout, ToggleButton

from helpers.labs.crew import Crew, Seen
from helpers.labs.frame import Lab

_EVERY = 0.25  # seconds between two looks
_PER_SECOND = 3  # seconds over which the throughput is taken
_BARS = 40  # seconds of throughput that are shown
_STATES = {"waiting": "#BDBDBD", "in work": "#0072B2", "done": "#6E6E6E", "set aside": "#B00020"}


def queue_lab(workers: int = 2, lease: float = 2.0) -> None:
    """Show a queue at work: put tasks, kill and pause workers, kill the master, and see where each task is.

    ``workers`` programs start with it, and leases last ``lease`` seconds. Everything is real: the master and
    its journal, the workers, the kills. The slider goes back to any moment of what was seen.
    """
    crew = Crew(workers, lease)
    ended: list[bool] = []
    picture = HTML()
    which = Dropdown(description="Worker", layout=Layout(width="12em"))
    leases = FloatSlider(lease, min=0.5, max=10, step=0.5, description="Lease (s)", continuous_update=False)
    moment = IntSlider(0, min=0, max=0, description="Moment", readout=False, layout=Layout(width="60%"))
    live = ToggleButton(value=True, description="Live", tooltip="show what is now")

    def draw() -> None:
        if not ended:
            crew.look()
        moment.max = len(crew.moments) - 1
        if live.value:
            moment.value = moment.max
        picture.value = html(crew.moments[: moment.value + 1])
        alive = [number for number, state, *_ in crew.moments[-1].workers if state != "gone"]
        if list(which.options) != alive:
            before, which.options = which.value, alive
            which.value = before if before in alive else next(iter(alive), None)

    def rewind(_: int) -> None:
        live.value = False

    def end() -> None:
        ended.append(True)
        lab.every = None
        crew.stop()
        for control in controls:
            control.disabled = True

    def chosen() -> int:
        if which.value is None:
            raise ValueError("no worker is alive: add one first")
        return int(which.value)

    lab = Lab("the queue", draw, crew.stop, _EVERY)
    lab.on_choice(moment, rewind)
    lab.on_choice(live, lambda _: None)
    lab.on_choice(leases, crew.set_lease)
    work = [
        lab.button("Put 100 tasks", crew.put, "a hundred sums for pi"),
        lab.button("Put a poisonous task", crew.poison, "it kills every worker that takes it"),
        lab.button("Add a worker", crew.add_workers),
    ]
    harm = [
        lab.button("Kill it", lambda: crew.kill(chosen()), "as by kill -9"),
        lab.button("Pause it", lambda: crew.pause(chosen()), "alive, but it does nothing"),
        lab.button("Wake it", lambda: crew.wake(chosen()), "let a paused worker go on"),
    ]
    above = [
        lab.button("Kill the master", crew.kill_master, "as by kill -9"),
        lab.button("Start the master again", crew.restart_master, "on its journal"),
        lab.button("End the lab", end, "end all processes; the slider stays"),
    ]
    controls: list[Button | Dropdown | FloatSlider] = [*work, which, *harm, *above, leases]
    lab.show(HBox(work), HBox([which, *harm]), HBox(above), HBox([leases]), HBox([moment, live]), picture)


def html(moments: list[Seen]) -> str:
    """Return what was seen at the last of these moments, with the throughput of the seconds before it."""
    seen = moments[-1]
    counts = dict(zip(_STATES, (seen.waiting, seen.in_work, seen.done, seen.shelved), strict=True))
    rate = throughput(moments, seen.time)
    cards = "".join(_worker(*worker, lease=seen.lease) for worker in seen.workers)
    log = "".join(f"<li>{escape(line)}</li>" for line in reversed(seen.log))
    master = "The master is up." if seen.master_up else "<b>The master is down:</b> tasks are in its journal."
    words = ", ".join(f"{number} {state}" for state, number in counts.items())
    return (
        f'<p role="status" style="font-size:120%"><b>{words}</b>, of {seen.put} tasks put. '
        f"{rate:.1f} done a second. {master}</p>"
        f"{_bar(counts, seen.put)}"
        f'<div style="display:flex;flex-wrap:wrap;gap:1em;margin:1em 0">{cards}</div>'
        f"{_bars(moments)}<ul>{log}</ul>"
    )


def throughput(moments: list[Seen], at: float) -> float:
    """Return the tasks done per second in the three seconds before a time of the record."""
    times = [seen.time for seen in moments]
    last = moments[max(0, bisect_right(times, at) - 1)]
    first = moments[max(0, bisect_right(times, at - _PER_SECOND) - 1)]
    return (last.done - first.done) / max(last.time - first.time, _EVERY)


def _bar(counts: dict[str, int], put: int) -> str:
    """Return one bar of all tasks, by where they are."""
    parts = "".join(
        f'<div title="{state}: {number}" style="flex:{number};background:{_STATES[state]}"></div>'
        for state, number in counts.items()
        if number
    )
    keys = " ".join(f'<span style="color:{color}">■</span> {state}' for state, color in _STATES.items())
    frame = "display:flex;height:1.5em;border:1px solid #999"
    return f'<div style="{frame}" aria-hidden="true">{parts if put else ""}</div><div>{keys}</div>'


def _worker(number: int, state: str, tasks: tuple[int, ...], left: float | None, *, lease: float) -> str:
    """Return a worker's card: what it is at, and an arc for what is left of its lease."""
    share = 0 if left is None else max(0.0, min(1.0, left / lease))
    arc = f"background:conic-gradient(#0072B2 {share:.0%},#DDD 0);width:3em;height:3em;border-radius:50%"
    held = f"task {', '.join(map(str, tasks))}" if tasks else "no task"
    rest = "no lease" if left is None else f"{max(0.0, left):.1f} s of its lease left"
    faded = "opacity:0.45;" if state == "gone" else ""
    return (
        f'<div style="{faded}border:1px solid #999;border-radius:6px;padding:0.6em;display:flex;gap:0.8em">'
        f'<div style="{arc}" aria-hidden="true"></div>'
        f"<div><b>worker {number}</b>: {state}<br>{held}<br>{rest}</div></div>"
    )


def _bars(moments: list[Seen]) -> str:
    """Return a bar for each of the last seconds, as high as its throughput."""
    end = moments[-1].time
    rates = [throughput(moments, end - ago) for ago in range(_BARS, -1, -1) if end - ago >= moments[0].time]
    most = max([1.0, *rates])
    heights = [f"width:10px;height:{60 * rate / most:.0f}px;background:#0072B2" for rate in rates]
    bars = "".join(f'<div style="{height}"></div>' for height in heights)
    return (
        f'<div style="display:flex;align-items:flex-end;gap:2px;height:62px" aria-hidden="true">{bars}</div>'
        f"<div>tasks done a second, in the last {_BARS} seconds; the highest bar is {most:.1f}</div>"
    )
