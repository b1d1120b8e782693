"""A sentence, its evidence, its verdict.

The printed line has no measured number, so it is the same on every run that confirms it, and CI compares it
with the stored one. The figures behind it stand in pictures, and in the line of a claim that failed.
"""

STATEMENTS = tuple(f"F{number}" for number in range(1, 26))
"""The numbers of the article's statements, F1 to F25."""


def check(
    statement: str, sentence: str, holds: bool, *, but: bool = False, needs: str = "", measured: object = None
) -> None:
    """Print the verdict on one sentence.

    ``statement`` is the number, F1 to F25, of the article's statement that the sentence belongs to, and
    ``holds`` the evidence. ``but`` says that the sentence holds and yet limits the statement. ``needs``
    names what this computer lacks to show it (empty: nothing), and then the evidence is not looked at.
    ``measured`` is shown only when the claim fails. Raises ValueError or TypeError for arguments that make
    no sense.
    """
    if statement not in STATEMENTS:
        raise ValueError(f"statement: expected one of F1 to F25, got {statement!r}")
    if not sentence or any(character.isdigit() for character in sentence):
        raise ValueError(f"sentence: expected words without digits, which a run may change; got {sentence!r}")
    if holds not in (True, False):
        raise TypeError(f"holds: expected True or False, a comparison's result, got {holds!r}")
    joined = f", but {sentence}" if but else f": {sentence}"
    if needs:
        print(f"{statement} cannot be shown here ({needs}){joined}")
    elif holds:
        print(f"{statement} holds{joined}")
    else:
        figures = "" if measured is None else f" (measured {measured})"
        print(f"{statement} does not hold here: {sentence}{figures}")
