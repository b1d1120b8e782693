"""Give every kernel that the tests start settings of its own, whatever the user's are."""

import shutil
import tempfile
from pathlib import Path

import pytest

pytest_plugins = ["nbval_checks"]


def pytest_configure(config: pytest.Config) -> None:
    """Keep the start-up files, settings and connection files of the user's own kernels out of the tests.

    A user may also have no home in which these could be kept.
    """
    folder = Path(tempfile.mkdtemp(prefix="test-kernels-"))
    environment = pytest.MonkeyPatch()
    environment.setenv("IPYTHONDIR", str(folder / "ipython"))
    environment.setenv("JUPYTER_CONFIG_DIR", str(folder / "config"))
    environment.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    environment.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
    environment.setenv("MPLCONFIGDIR", str(folder / "matplotlib"))  # its settings, and its list of fonts
    environment.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel "python3" is this Python
    environment.setenv("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns of a change
    config.add_cleanup(lambda: (environment.undo(), shutil.rmtree(folder, ignore_errors=True)))
