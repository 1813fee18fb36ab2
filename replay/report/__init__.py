"""Say what a replay found: to a terminal, to machines, to a browser or printer, to CI.

Each presenter is a module of its own, imported when it is asked for: `text` (rich), `machine` (JSON and its schemas),
`html` (one self-contained page), `junit`. They get values, decide nothing, and write nothing but what they are told to.
All text that a workflow, a recipe or a log could have written passes `clean` before it is shown.
"""
