"""Assertions on what is kept, how long, and how it is protected.

Rights to it are in `rights.py`, what moves it in `events.py`.
"""

from assertions import assertion
from template import text

TABLE = "AWS::DynamoDB::GlobalTable"
RECOVERY_DAYS = {"MainTable": 7, "TombstoneTable": 35}
# Prefix -> whole days. The promise to the second is `retention`'s; these are the backstop.
EXPIRY_DAYS = {"archives/": 14, "imports/": 1, "exports/": 7}
LOG_DAYS = 14
KEPT = {
    "MainTable", "TombstoneTable", "Bucket", "PlatformSecret", "PlatformKey",
    "SealingSecret", "LegalSecret",
}


@assertion
def time_to_live_is_on_for_the_main_table_only(template):
    tables = template.resources(TABLE)
    ttl = tables["MainTable"].get("TimeToLiveSpecification")
    if ttl != {"AttributeName": "expires_at", "Enabled": True}:
        yield f"MainTable: {ttl}"
    if "TimeToLiveSpecification" in tables["TombstoneTable"]:
        yield "TombstoneTable: tombstones do not expire by themselves"


@assertion
def recovery_windows_are_as_promised(template):
    for stage, document in template.stages():
        for name, table in template.resources(TABLE, document).items():
            for replica in table["Replicas"]:
                recovery = replica.get("PointInTimeRecoverySpecification", {})
                # Without the number of days the service keeps 35.
                wanted = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": RECOVERY_DAYS[name]}
                if recovery != wanted:
                    yield f"{name} in {stage}: {recovery}"


@assertion
def what_must_not_be_lost_cannot_be_deleted(template):
    for stage, document in template.stages():
        for name, table in template.resources(TABLE, document).items():
            if not all(r.get("DeletionProtectionEnabled") is True for r in table["Replicas"]):
                yield f"{name} in {stage}: no deletion protection"
    for name in KEPT:
        resource = template.source["Resources"][name]
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if resource.get(policy) != "Retain":
                yield f"{name}: {policy} is not Retain"


@assertion
def everything_at_rest_is_encrypted(template):
    for name, table in template.resources(TABLE).items():
        if table.get("SSESpecification") != {"SSEEnabled": True, "SSEType": "KMS"}:
            yield name
    for name, bucket in template.resources("AWS::S3::Bucket").items():
        rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
        if [r["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for r in rules] != ["aws:kms"]:
            yield name
    for name, queue in template.resources("AWS::SQS::Queue").items():
        if queue.get("SqsManagedSseEnabled") is not True:
            yield name


@assertion
def table_keys_are_defined_and_as_agreed(template):
    for name, table in template.resources(TABLE).items():
        defined = {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]}
        indexes = table.get("GlobalSecondaryIndexes", [])
        schemas = [table["KeySchema"], *(i["KeySchema"] for i in indexes)]
        used = {k["AttributeName"] for schema in schemas for k in schema}
        if used != set(defined):
            yield f"{name}: keys {sorted(used)}, attribute definitions {sorted(defined)}"
        if table["KeySchema"] != _keys("pk", "sk") or (defined.get("pk"), defined.get("sk")) != ("S", "S"):
            yield f"{name}: the key is not pk and sk"
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name}: not on demand"
        wanted = []
        if name == "MainTable":
            wanted = [("due", _keys("due_shard", "due_at"), {"ProjectionType": "KEYS_ONLY"})]
            if (defined.get("due_shard"), defined.get("due_at")) != ("S", "N"):
                yield "MainTable: due_shard is a string, due_at a number"
        if [(i["IndexName"], i["KeySchema"], i["Projection"]) for i in indexes] != wanted:
            yield f"{name}: indexes"
        for stage, document in template.stages():
            streams = "StreamSpecification" in template.resources(TABLE, document)[name]
            if streams != (stage == "production"):
                yield f"{name} in {stage}: replication needs a stream, nothing else does"


def _keys(partition, sort):
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@assertion
def the_bucket_forgets_on_time(template):
    for name, bucket in template.resources("AWS::S3::Bucket").items():
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if any(rule.get("Status") != "Enabled" for rule in rules):
            yield f"{name}: a lifecycle rule is off"
        expiry = {r.get("Prefix"): r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r}
        if expiry != EXPIRY_DAYS:
            yield f"{name}: expires {expiry}"
        whole = [r for r in rules if "Prefix" not in r]
        # A versioned bucket keeps every deleted object until these three say otherwise.
        if not any(r.get("NoncurrentVersionExpiration") == {"NoncurrentDays": 1} for r in whole):
            yield f"{name}: old versions stay"
        if not any(r.get("AbortIncompleteMultipartUpload") == {"DaysAfterInitiation": 1} for r in whole):
            yield f"{name}: unfinished uploads stay"
        if not any(r.get("ExpiredObjectDeleteMarker") is True for r in whole):
            yield f"{name}: delete markers stay"


@assertion
def the_bucket_is_private_versioned_and_over_tls_only(template):
    policies = template.resources("AWS::S3::BucketPolicy").values()
    for name, bucket in template.resources("AWS::S3::Bucket").items():
        if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{name}: not versioned"
        block = bucket.get("PublicAccessBlockConfiguration", {})
        if len(block) != 4 or not all(value is True for value in block.values()):
            yield f"{name}: public access is not blocked"
        denied = [
            statement
            for policy in policies
            if policy["Bucket"] == {"Ref": name}
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
            and statement["Action"] == "s3:*"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            and {text(r) for r in statement["Resource"]} == {f"${{{name}.Arn}}", f"${{{name}.Arn}}/*"}
        ]
        if not denied:
            yield f"{name}: plain http is not refused"


@assertion
def every_function_logs_for_fourteen_days(template):
    groups = template.resources("AWS::Logs::LogGroup")
    for name, group in groups.items():
        if group.get("RetentionInDays") != LOG_DAYS:
            yield f"{name}: {group.get('RetentionInDays')} days"
    for name, function in template.functions().items():
        group = function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        # A group that Lambda makes by itself keeps for ever.
        if group != name.removesuffix("Function") + "LogGroup" or group not in groups:
            yield f"{name}: logs to {group}"


@assertion
def secrets_are_generated_in_their_agreed_form(template):
    wanted = {
        "PlatformSecret": "1", "PlatformKey": "key", "SealingSecret": "key", "LegalSecret": "key",
        "WebhookSecret": "1",
    }
    for name, secret in template.resources("AWS::SecretsManager::Secret").items():
        generated = secret.get("GenerateSecretString", {})
        form = (generated.get("SecretStringTemplate"), generated.get("GenerateStringKey"))
        if form != ("{}", wanted.get(name)) or generated.get("PasswordLength", 32) < 48:
            yield name
