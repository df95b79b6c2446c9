"""The template as data: loaded, with its conditions resolved, or expanded by SAM.

Knows nothing of what is right or wrong in it; that is the assertions' part.
"""

import copy
from functools import cached_property
from pathlib import Path

import boto3
import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

PATH = Path(__file__).parent.parent / "template.yaml"
REGION = "eu-central-1"
NO_VALUE = {"Ref": "AWS::NoValue"}


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms turned into the long ones."""


def _long_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load(path=PATH):
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)


def expand(source):
    """What CloudFormation gets to see: the template after SAM's transform, offline."""
    document = copy.deepcopy(source)
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://packages/function.zip"
    session = boto3.session.Session(region_name=REGION)
    translator = Translator({}, Parser(), boto_session=session)
    expanded = translator.translate(document, {})
    # Goes nowhere; without it the translator complains about metrics it kept.
    translator.metrics.publish()
    return expanded


def resolve(document, **parameters):
    """The template for these parameter values: conditions decided, `NoValue` gone."""
    values = {name: p.get("Default", "") for name, p in document.get("Parameters", {}).items()}
    values |= {"AWS::Region": REGION, **parameters}

    def plain(value):
        return values.get(value["Ref"], value) if isinstance(value, dict) and "Ref" in value else value

    conditions = {
        name: plain(test["Fn::Equals"][0]) == plain(test["Fn::Equals"][1])
        for name, test in document.get("Conditions", {}).items()
    }

    def walk(node):
        if isinstance(node, dict):
            if "Fn::If" in node:
                name, then, otherwise = node["Fn::If"]
                return walk(then if conditions[name] else otherwise)
            walked = {key: walk(value) for key, value in node.items()}
            return {key: value for key, value in walked.items() if value != NO_VALUE}
        if isinstance(node, list):
            return [value for value in map(walk, node) if value != NO_VALUE]
        return node

    result = walk(document)
    result["Values"] = values
    return result


class Template:
    """What an assertion looks at."""

    def __init__(self, source):
        self.source = source

    @cached_property
    def expanded(self):
        return expand(self.source)

    def stages(self):
        return [(stage, resolve(self.source, Stage=stage)) for stage in ("development", "production")]

    def resources(self, kind, document=None):
        document = document or resolve(self.source)
        return {n: r["Properties"] for n, r in document["Resources"].items() if r["Type"] == kind}

    def functions(self):
        return self.resources("AWS::Serverless::Function")

    def events(self, kind):
        """(function, event name, event properties), of one kind of event."""
        for function, properties in self.functions().items():
            for name, event in properties.get("Events", {}).items():
                if event["Type"] == kind:
                    yield function, name, event["Properties"]

    def statements(self):
        """(function, actions, resources) of every Allow in every function's own role."""
        roles = self.resources("AWS::IAM::Role")
        for function, properties in self.functions().items():
            role = roles.get(target(properties.get("Role")), {})
            for policy in role.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if statement["Effect"] == "Allow":
                        yield function, listed(statement["Action"]), listed(statement["Resource"])


def listed(value):
    return value if isinstance(value, list) else [value]


def target(node):
    """The logical id that a Ref, GetAtt or Sub with one leading variable is about."""
    if not isinstance(node, dict):
        return None
    if "Ref" in node:
        return node["Ref"]
    if "Fn::GetAtt" in node:
        return node["Fn::GetAtt"][0]
    if "Fn::Sub" in node and node["Fn::Sub"].startswith("${"):
        return node["Fn::Sub"][2:].split("}")[0].split(".")[0]
    return None


def text(node):
    """A resource of a policy as one string, variables left in."""
    if isinstance(node, dict):
        if "Fn::Sub" in node:
            return node["Fn::Sub"]
        if "Fn::GetAtt" in node:
            return "${" + ".".join(node["Fn::GetAtt"]) + "}"
        return "${" + str(node.get("Ref")) + "}"
    return str(node)


def strings(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from strings(key)
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node
