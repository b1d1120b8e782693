"""A JupyterLab as ``run.py lab`` starts it, on a folder of its own, and a real Chromium that looks at it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from nbformat import v4
from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).parent.parent
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
PATIENCE = 60_000  # milliseconds for whatever a page has to show, on a very busy computer
KERNEL_SETTINGS = "@jupyterlab/apputils-extension/kernels-settings.jupyterlab-settings"


@contextmanager
def jupyterlab(folder: Path, *, subshells: bool = True, **variables: str) -> Iterator[str]:
    """Start JupyterLab by run.py, for the notebooks in a folder, and return its address."""
    settings = folder.parent / "settings"
    (settings / KERNEL_SETTINGS).parent.mkdir(parents=True, exist_ok=True)
    choice = "perCommTarget" if subshells else "disabled"
    (settings / KERNEL_SETTINGS).write_text(json.dumps({"commsOverSubshells": choice}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "ServerApp.root_dir": folder, "ServerApp.token": "", "ServerApp.open_browser": False,
        "ServerApp.port": port, "LabApp.user_settings_dir": settings,
        "LabApp.workspaces_dir": folder.parent / "workspaces", "LabApp.default_url": "/lab",
    }  # fmt: skip
    command = [
        sys.executable,
        ROOT / "run.py",
        "lab",
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")} | variables
    pipe = subprocess.DEVNULL
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as server:
        try:
            wait_for_port(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def wait_for_port(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait until something listens at a port of this computer."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        assert server.poll() is None, "JupyterLab has ended"
        assert time.monotonic() < end, "JupyterLab does not start"
        time.sleep(0.1)


@dataclass
class Browser:
    """One page of a Chromium, and what went wrong in it: errors of its console, requests to the outside."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors and requests from now on."""
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._request(request.url))

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            self.outside.append(url)

    def open(self, address: str, notebook: str) -> None:
        """Open a notebook and wait until its kernel is there."""
        self.page.goto(f"{address}/lab/workspaces/{uuid.uuid4().hex}/tree/{notebook}")
        self.page.get_by_text("(ipykernel) | Idle").wait_for(timeout=PATIENCE)

    def menu(self, menu: str, entry: str) -> None:
        """Choose an entry of a menu."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_text(entry, exact=True).click()

    def run_all(self) -> None:
        """Run all cells from the menu."""
        self.menu("Run", "Run All Cells")

    def wait_until_run(self) -> None:
        """Wait until no cell waits to be run, or is at it."""
        for _ in range(3):  # between two cells, the kernel is idle for a moment
            self.page.get_by_text("(ipykernel) | Idle").wait_for(timeout=3 * PATIENCE)
            self.page.wait_for_timeout(500)

    def button(self, name: str) -> Locator:
        """Return a button by its label."""
        return self.page.get_by_role("button", name=name)


@contextmanager
def chromium(width: int = 1280, height: int = 900, scheme: str = "light") -> Iterator[Browser]:
    """Start a Chromium and return it with an empty page."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = started.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.set_default_timeout(PATIENCE)
            browser = Browser(page)
            browser.watch()
            yield browser
        finally:
            started.close()


def write(path: Path, *cells: str) -> None:
    """Write a notebook of these code cells."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    code = [v4.new_code_cell(source) for source in cells]
    nbformat.write(v4.new_notebook(cells=code, metadata={"kernelspec": kernel}), path)
