"""What is wrong with an argument, said in one line: its name, what was expected, and what came instead."""


def whole(least: int = 1, most: int | None = None, /, **arguments: object) -> None:
    """Check that each argument is a whole number from ``least`` to ``most``. Raises ValueError."""
    for name, value in arguments.items():
        if type(value) is not int or value < least or (most is not None and value > most):
            limits = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise ValueError(f"{name}: expected a whole number {limits}, got {value!r}")
