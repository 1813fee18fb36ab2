"""What differs between two model versions: causes first (code, data, config, …), then effects (outputs, metrics).

`recipes.diff_recipes` compares two recipes and answers with a `tree.RecipeDiff`; `text` shows it on a terminal,
`machine` as JSON. Recipes alone are enough; commits and the values of metrics come in through callables of the caller.
"""
