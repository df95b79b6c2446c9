"""Shows that every assertion can fail: one seeded mistake or more for each.

A mistake is a small change of the template as loaded; the assertion it belongs to must
find it, and an assertion without a mistake is an error too.
"""

import copy

import assertions
from template import Template

MISTAKES = []


def mistake(name):
    def register(change):
        MISTAKES.append((name, change.__doc__, change))
        return change

    return register


class Draft:
    """A copy of the template with short ways to the places where mistakes are made."""

    def __init__(self, source):
        self.source = copy.deepcopy(source)

    def of(self, name):
        return self.source["Resources"][name]["Properties"]

    def event(self, function, name):
        return self.of(function + "Function")["Events"][name]["Properties"]

    def statements(self, function):
        return self.of(function + "Role")["Policies"][0]["PolicyDocument"]["Statement"]

    def allow(self, function, action, resource):
        self.statements(function).append({"Effect": "Allow", "Action": action, "Resource": resource})


def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}


def set_in(name, doc, path, value):
    """A mistake that sets (or, with None, removes) one value."""

    def change(draft):
        node = draft.source
        for step in path[:-1]:
            node = node[step]
        if value is None:
            del node[path[-1]]
        else:
            node[path[-1]] = value

    MISTAKES.append((name, doc, change))


def props(resource, *path):
    return ("Resources", resource, "Properties", *path)


def mistakes():
    import mistakes as seeded  # registers itself

    assert seeded
    return MISTAKES


def run(source):
    """Sentences about assertions that did not find their mistake."""
    seeded = mistakes()
    for name in assertions.ALL.keys() - {name for name, _, _ in seeded}:
        yield f"{name}: no seeded mistake"
    for name, doc, change in seeded:
        draft = Draft(source)
        change(draft)
        if not list(assertions.ALL[name](Template(draft.source))):
            yield f"{name} does not find: {doc}"
