"""Assertions on the language of the template and on the regions it may run in."""

import re

from assertions import assertion
from template import strings

# Regions in member states of the European Union. Not eu-west-2 (London), not eu-central-2
# (Zurich); eusc-de-east-1 is the European Sovereign Cloud.
EU_REGIONS = {
    "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3",
    "eusc-de-east-1",
}
LANGUAGE = {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Equals"}
SECTIONS = {
    "AWSTemplateFormatVersion", "Transform", "Description", "Parameters", "Rules", "Conditions",
    "Globals", "Resources", "Outputs",
}


@assertion
def the_language_is_the_closed_subset(template):
    yield from (f"section {name}" for name in template.source.keys() - SECTIONS)
    if template.source["Transform"] != "AWS::Serverless-2016-10-31":
        yield f"transform {template.source['Transform']}"

    def walk(node, path):
        if isinstance(node, dict):
            for key, value in node.items():
                if key.startswith("Fn::") and key not in LANGUAGE:
                    yield f"{path}: {key}"
                if key == "Fn::Sub" and not isinstance(value, str):
                    yield f"{path}: Fn::Sub with a map of its own"
                yield from walk(value, f"{path}/{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from walk(value, f"{path}/{index}")

    yield from walk(template.source, "")


@assertion
def everything_stays_in_the_european_union(template):
    parameters = template.source["Parameters"]
    for name in ("StackRegion", "ActiveRegion", "ReplicaRegion"):
        if set(parameters[name].get("AllowedValues", [])) != EU_REGIONS:
            yield f"{name} allows other regions than the EU's"
    guard = {"Fn::Equals": [{"Ref": "StackRegion"}, {"Ref": "AWS::Region"}]}
    asserts = [a["Assert"] for r in template.source.get("Rules", {}).values() for a in r["Assertions"]]
    if guard not in asserts:
        yield "no rule refuses a region that StackRegion does not name"
    for value in strings(template.source):
        for region in re.findall(r"\b(?:[a-z]{2}|eusc-[a-z]{2}|us-gov)-[a-z]+-\d\b", value):
            if region not in EU_REGIONS:
                yield f"region {region}"
    for stage, document in template.stages():
        for name, table in template.resources("AWS::DynamoDB::GlobalTable", document).items():
            regions = [
                document["Values"].get(r["Region"]["Ref"]) if isinstance(r["Region"], dict) else r["Region"]
                for r in table["Replicas"]
            ]
            if len(set(regions)) != (2 if stage == "production" else 1) or set(regions) - EU_REGIONS:
                yield f"{name} in {stage} has its replicas in {regions}"
            if "MultiRegionConsistency" in table:
                yield f"{name}: strong consistency has neither transactions nor TTL"
