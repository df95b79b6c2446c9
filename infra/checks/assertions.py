"""The register of assertions: what must hold of the template, beyond what linters know.

Each is a function that yields a sentence per violation. They stand in `language.py`,
`storage.py`, `rights.py` and `events.py`; `selftest.py` shows a mistake that each finds.
"""

ALL = {}


def assertion(check):
    ALL[check.__name__] = check
    return check


def run(template):
    """{assertion: [violation]} of those that do not hold."""
    found = {name: list(check(template)) for name, check in ALL.items()}
    return {name: violations for name, violations in found.items() if violations}
