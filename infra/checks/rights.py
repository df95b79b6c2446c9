"""Assertions on who may do what: one narrow role per function.

What the functions keep is in `storage.py`, what starts them in `events.py`.
"""

from assertions import assertion
from template import target, text

# Everything with a `*` in a resource that a function may touch, each with its reason.
STARS = {
    # SES offers no resource for it.
    ("*", "ses:GetAccount"): {"CampaignFunction", "SendFunction"},
    ("*", "ses:DeleteSuppressedDestination"): {"AdminFunction", "RetentionFunction"},
    ("*", "ses:GetSuppressedDestination"): {"AdminFunction", "RetentionFunction"},
    # Sender domains belong to accounts and come and go.
    ("arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*", "ses:GetEmailIdentity"): {
        "AdminFunction",
    },
    ("arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*", "ses:SendEmail"): {
        "NoticeFunction", "SendFunction",
    },
    ("arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*", "ses:SendBulkEmail"): {
        "SendFunction",
    },
}
# A prefix of the bucket is as narrow as an object key can be known in advance.
PREFIXES = {"${Bucket.Arn}/archives/*", "${Bucket.Arn}/imports/*", "${Bucket.Arn}/exports/*"}
MAY_MAIL = {"NoticeFunction", "SendFunction"}
# Deleting in bulk, and archives by version.
MAY_PURGE = {"RetentionFunction"}
# One configuration item at a time.
MAY_DELETE_AN_ITEM = {"AdminFunction", "PreferencesFunction", "RetentionFunction"}
PROFILES_ONLY = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "A#*#P#?"}}
MAY_READ_ARCHIVES = {"AdminFunction", "BackupFunction", "RestoreFunction", "RetentionFunction"}
PURGES = {
    "dynamodb:BatchWriteItem", "dynamodb:PartiQLDelete", "s3:DeleteObject", "s3:DeleteObjectVersion",
}
NEVER = {
    # Everything with a time is found through the index `due`, everything else by key.
    "dynamodb:Scan",
    # A deleted table leaves a system backup for 35 days.
    "dynamodb:DeleteTable", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive",
    "dynamodb:UpdateContinuousBackups", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration",
}
QUEUE_URLS = {
    "NOTICE_QUEUE_URL": "NoticeQueue", "IMPORT_QUEUE_URL": "ImportQueue",
    "SEND_QUEUE_URL": "SendQueue", "BACKUP_QUEUE_URL": "BackupQueue",
    "RESTORE_QUEUE_URL": "RestoreQueue", "WEBHOOK_QUEUE_URL": "WebhookQueue",
}
NAMES = QUEUE_URLS | {
    "TABLE": "MainTable", "TOMBSTONE_TABLE": "TombstoneTable", "BUCKET": "Bucket",
    "PLATFORM_SECRET_ARN": "PlatformSecret", "PLATFORM_KEY_ARN": "PlatformKey",
    "SEALING_SECRET_ARN": "SealingSecret", "LEGAL_SECRET_ARN": "LegalSecret",
    "WEBHOOK_SECRET_ARN": "WebhookSecret",
    "CONFIGURATION_SET": "ConfigurationSet",
}


@assertion
def every_function_has_a_role_of_its_own(template):
    roles = template.resources("AWS::IAM::Role")
    for name, function in template.functions().items():
        role = target(function.get("Role"))
        if role != name.removesuffix("Function") + "Role" or role not in roles:
            yield f"{name}: role {role}"
        # With either, SAM makes a role of its own, with managed policies on `*`.
        if "Policies" in function or "Connectors" in function:
            yield f"{name}: rights outside its role"


@assertion
def no_role_carries_a_managed_policy(template):
    for name, resource in template.expanded["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role" and resource["Properties"].get("ManagedPolicyArns"):
            yield name
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            yield name


@assertion
def no_right_reaches_further_than_it_must(template):
    for function, actions, resources in template.statements():
        for action in actions:
            if "*" in action:
                yield f"{function}: {action}"
            for resource in map(text, resources):
                if "*" not in resource or (resource in PREFIXES and action.startswith("s3:")):
                    continue
                if function not in STARS.get((resource, action), ()):
                    yield f"{function}: {action} on {resource}"
    # What SAM adds: the roles of the schedules.
    for name, resource in template.expanded["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role" and name not in template.source["Resources"]:
            for policy in resource["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if "*" in text(statement["Resource"]) or "*" in str(statement["Action"]):
                        yield f"{name}: {statement['Action']}"


@assertion
def only_notice_and_send_may_mail(template):
    for function, actions, _ in template.statements():
        for action in actions:
            if action.startswith(("ses:Send", "ses:send")) and function not in MAY_MAIL:
                yield f"{function}: {action}"


def conditions_of(template, role, action):
    """The conditions under which a role may do this."""
    policy = template.source["Resources"][role]["Properties"]["Policies"][0]
    return [
        statement.get("Condition")
        for statement in policy["PolicyDocument"]["Statement"]
        if action in statement["Action"]
    ]


@assertion
def only_retention_may_delete_in_bulk(template):
    for function, actions, resources in template.statements():
        for action in actions:
            # An erasure is answered once the files of finished imports are gone.
            if (function, *map(text, resources)) == ("AdminFunction", "${Bucket.Arn}/imports/*"):
                continue
            if action in PURGES and function not in MAY_PURGE:
                yield f"{function}: {action}"
            if action == "dynamodb:DeleteItem" and function not in MAY_DELETE_AN_ITEM:
                yield f"{function}: {action}"
            # A person who erases themselves: their profile goes, all else is `retention`'s.
            if action == "dynamodb:DeleteItem" and function == "PreferencesFunction":
                if conditions_of(template, "PreferencesRole", action) != [PROFILES_ONLY]:
                    yield f"{function}: {action} on more than profiles"
            if action in NEVER:
                yield f"{function}: {action}"


@assertion
def only_restore_may_write_archives_back(template):
    """Others read an archive to complete, hand out or delete it; restoring changes none."""
    for function, actions, resources in template.statements():
        if "${Bucket.Arn}/archives/*" not in map(text, resources):
            continue
        for action in actions:
            if action == "s3:GetObject" and function not in MAY_READ_ARCHIVES:
                yield f"{function}: {action}"
            if action != "s3:GetObject" and function == "RestoreFunction":
                yield f"{function}: {action}"


@assertion
def only_legal_reads_the_legal_secret_and_of_people_sealed_evidence_only(template):
    readers = set()
    for function, actions, resources in template.statements():
        if "LegalSecret" in map(target, resources):
            readers.add(function)
            if actions != ["secretsmanager:GetSecretValue"]:
                yield f"{function}: {actions} on the legal secret"
    if readers != {"LegalFunction"}:
        yield f"the legal secret is read by {sorted(readers)}"
    role = template.source["Resources"]["LegalRole"]["Properties"]["Policies"][0]
    for statement in role["PolicyDocument"]["Statement"]:
        if "dynamodb:Query" in statement["Action"]:
            keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
            if keys != {"dynamodb:LeadingKeys": "A#*#E#?"}:
                yield f"LegalFunction: queries {keys}"


@assertion
def who_talks_to_recipients_reaches_nothing_but_their_messages(template):
    """It calls URLs that accounts name, so it must have nothing that is worth being tricked for."""
    own = {"WebhookLogGroup", "MainTable", "WebhookQueue", "WebhookSecret"}
    for statement in template.source["Resources"]["WebhookRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for resource in map(target, resources):
            if resource not in own:
                yield f"reaches {resource}"
            if resource == "MainTable":
                keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
                if keys != {"dynamodb:LeadingKeys": "A#*#W"} or set(statement["Action"]) - {"dynamodb:GetItem", "dynamodb:PutItem"}:
                    yield f"{statement['Action']} on {keys}"
    for function, _, resources in template.statements():
        if "WebhookSecret" in map(target, resources) and function not in {"AdminFunction", "WebhookFunction"}:
            yield f"{function} reads the webhook secret"
    for function, actions, resources in template.statements():
        if "sqs:SendMessage" in actions and "WebhookQueue" in map(target, resources) and function != "CampaignFunction":
            yield f"{function} writes to the webhook queue"
    if template.source["Parameters"]["LocalWebhooks"].get("Default") != "false":
        yield "webhooks may lead to the machine itself"


@assertion
def a_tombstone_goes_with_its_account_only(template):
    # A whole account's at once is `retention`'s part; a single one nobody may delete.
    for function, actions, resources in template.statements():
        if "TombstoneTable" in map(target, resources):
            for action in actions:
                in_bulk = action == "dynamodb:BatchWriteItem" and function in MAY_PURGE
                if ("Delete" in action or "BatchWrite" in action) and not in_bulk:
                    yield f"{function}: {action}"


@assertion
def the_environment_names_what_the_role_allows(template):
    granted = {}
    for function, actions, resources in template.statements():
        for resource in resources:
            granted.setdefault(function, {}).setdefault(target(resource), set()).update(actions)
    for function, properties in template.functions().items():
        variables = properties.get("Environment", {}).get("Variables", {})
        rights = granted.get(function, {})
        for variable, value in variables.items():
            name = NAMES.get(variable)
            if variable == "PUBLIC_URL":
                if value != {"Ref": "PublicUrl"}:
                    yield f"{function}: {variable}"
                continue
            if variable == "LOCAL_WEBHOOKS":
                if value != {"Ref": "LocalWebhooks"}:
                    yield f"{function}: {variable}"
                continue
            if name is None or target(value) != name:
                yield f"{function}: {variable} is {value}"
            elif variable in QUEUE_URLS:
                if "sqs:SendMessage" not in rights.get(name, ()):
                    yield f"{function}: {variable} without the right to send"
            elif name not in rights and variable != "CONFIGURATION_SET":
                yield f"{function}: {variable} without a right"
        for variable, name in NAMES.items():
            needed = rights.get(name, set())
            if variable in QUEUE_URLS:
                needed = needed & {"sqs:SendMessage"}
            if needed and variable not in variables:
                yield f"{function}: a right on {name} without {variable}"




@assertion
def only_retention_can_seal(template):
    for role, _, resources in template.statements():
        names = {target(resource) for resource in resources}
        if "SealingSecret" in names and role != "RetentionFunction":
            yield role
