"""What a learner writes and is told: predictions before an experiment, exercises with checks and hints.

``predictions`` keeps and counts what was picked. ``desk`` runs an answer and says what is right or wrong of
it, by ``probes`` that note who was where; each chapter's exercises are in ``of_01`` and so on.
"""

from helpers.exercises import of_01
from helpers.exercises.desk import check, hint
from helpers.exercises.predictions import predict, score, seen

__all__ = ["check", "hint", "of_01", "predict", "score", "seen"]
