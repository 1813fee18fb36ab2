"""What differs between two model versions: causes first (code, data, config, …), then effects (outputs, metrics).

`diff_recipes` compares two recipes and answers with a `RecipeDiff`; `text` shows it on a terminal, `machine` as JSON.
Recipes alone are enough; commits and the values of metrics come in through callables of the caller.
"""

from replay.diff.recipes import diff_recipes
from replay.diff.tree import CodeHistory, Commit, FileChange, RecipeDiff, history

__all__ = ["CodeHistory", "Commit", "FileChange", "RecipeDiff", "diff_recipes", "history"]
