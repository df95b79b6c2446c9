"""The seeded mistakes. `selftest.py` says what they are for."""

from selftest import arn, mistake, props, set_in

SEND_IDENTITY = {"Fn::Sub": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*"}

# ---------------------------------------------------------------- language, regions
name = "the_language_is_the_closed_subset"
set_in(name, "Fn::Join", props("BucketPolicy", "Bucket"), {"Fn::Join": ["", ["a", "b"]]})
set_in(name, "another macro", ("Transform",), ["AWS::LanguageExtensions"])
set_in(name, "mappings", ("Mappings",), {})
name = "everything_stays_in_the_european_union"
set_in(name, "London", ("Parameters", "ReplicaRegion", "AllowedValues"), ["eu-west-1", "eu-west-2"])
set_in(name, "no rule", ("Rules",), {})
set_in(name, "a region by name", props("PlatformKey", "Description"), "lives in us-east-1")
set_in(name, "a replica in London", props("TombstoneTable", "Replicas", 1, "Fn::If", 1, "Region"), "eu-west-2")
set_in(name, "strong consistency", props("MainTable", "MultiRegionConsistency"), "STRONG")

# -------------------------------------------------------------------------- storage
name = "time_to_live_is_on_for_the_main_table_only"
set_in(name, "off", props("MainTable", "TimeToLiveSpecification", "Enabled"), False)
set_in(name, "another attribute", props("MainTable", "TimeToLiveSpecification", "AttributeName"), "ttl")
set_in(name, "tombstones expire", props("TombstoneTable", "TimeToLiveSpecification"),
       {"AttributeName": "expires_at", "Enabled": True})
name = "recovery_windows_are_as_promised"
PITR = "PointInTimeRecoverySpecification"
set_in(name, "the default of 35 days", props("MainTable", "Replicas", 0, PITR, "RecoveryPeriodInDays"), None)
set_in(name, "the replica's", props("MainTable", "Replicas", 1, "Fn::If", 1, PITR, "RecoveryPeriodInDays"), 35)
set_in(name, "tombstones 7 days", props("TombstoneTable", "Replicas", 0, PITR, "RecoveryPeriodInDays"), 7)
name = "what_must_not_be_lost_cannot_be_deleted"
set_in(name, "unprotected", props("MainTable", "Replicas", 0, "DeletionProtectionEnabled"), False)
set_in(name, "goes with the stack", ("Resources", "PlatformSecret", "DeletionPolicy"), "Delete")
name = "everything_at_rest_is_encrypted"
set_in(name, "table", props("TombstoneTable", "SSESpecification"), {"SSEEnabled": False})
set_in(name, "bucket", props("Bucket", "BucketEncryption"), None)
set_in(name, "queue", props("SendDeadLetterQueue", "SqsManagedSseEnabled"), False)
name = "table_keys_are_defined_and_as_agreed"
set_in(name, "a key without definition", props("MainTable", "AttributeDefinitions", 3, "AttributeName"), "due")
set_in(name, "due_at a string", props("MainTable", "AttributeDefinitions", 3, "AttributeType"), "S")
set_in(name, "everything projected",
       props("MainTable", "GlobalSecondaryIndexes", 0, "Projection", "ProjectionType"), "ALL")
set_in(name, "provisioned", props("TombstoneTable", "BillingMode"), "PROVISIONED")
set_in(name, "replicas without a stream", props("MainTable", "StreamSpecification"), None)
name = "the_bucket_forgets_on_time"
RULES = ("LifecycleConfiguration", "Rules")
set_in(name, "archives 15 days", props("Bucket", *RULES, 0, "ExpirationInDays"), 15)
set_in(name, "a rule off", props("Bucket", *RULES, 1, "Status"), "Disabled")
set_in(name, "old versions stay", props("Bucket", *RULES, 3, "NoncurrentVersionExpiration"), None)
set_in(name, "uploads stay", props("Bucket", *RULES, 3, "AbortIncompleteMultipartUpload"), None)
set_in(name, "markers stay", props("Bucket", *RULES, 3, "ExpiredObjectDeleteMarker"), None)
name = "the_bucket_is_private_versioned_and_over_tls_only"
set_in(name, "not versioned", props("Bucket", "VersioningConfiguration", "Status"), "Suspended")
set_in(name, "public", props("Bucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy"), False)
set_in(name, "plain http", props("BucketPolicy", "PolicyDocument", "Statement", 0, "Effect"), "Allow")
name = "every_function_logs_for_fourteen_days"
set_in(name, "a month", props("SendLogGroup", "RetentionInDays"), 30)
set_in(name, "Lambda's own group", props("SendFunction", "LoggingConfig"), None)
name = "secrets_are_generated_in_their_agreed_form"
set_in(name, "another version", props("PlatformSecret", "GenerateSecretString", "GenerateStringKey"), "2")
set_in(name, "short", props("PlatformKey", "GenerateSecretString", "PasswordLength"), 16)

# --------------------------------------------------------------------------- rights
name = "every_function_has_a_role_of_its_own"
set_in(name, "another's role", props("ConfirmFunction", "Role"), arn("AdminRole"))
set_in(name, "inline policies", props("ConfirmFunction", "Policies"), [])
name = "no_role_carries_a_managed_policy"
set_in(name, "a managed policy", props("SendRole", "ManagedPolicyArns"),
       ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"])
set_in(name, "SAM's own role", props("SendFunction", "Role"), None)


@mistake("no_right_reaches_further_than_it_must")
def every_table(draft):
    """any resource"""
    draft.allow("Signup", "dynamodb:GetItem", "*")


@mistake("no_right_reaches_further_than_it_must")
def every_action(draft):
    """any action"""
    draft.allow("Signup", "dynamodb:*", arn("MainTable"))


@mistake("no_right_reaches_further_than_it_must")
def whole_bucket(draft):
    """the whole bucket"""
    draft.allow("Import", "s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"})


@mistake("no_right_reaches_further_than_it_must")
def a_star_of_others(draft):
    """a listed star in another function"""
    draft.allow("Feedback", "ses:GetAccount", "*")


@mistake("only_notice_and_send_may_mail")
def admin_mails(draft):
    """admin mails"""
    draft.allow("Admin", "ses:SendEmail", SEND_IDENTITY)


@mistake("only_retention_may_delete_in_bulk")
def admin_purges(draft):
    """admin writes in batches"""
    draft.allow("Admin", "dynamodb:BatchWriteItem", arn("MainTable"))


@mistake("only_retention_may_delete_in_bulk")
def backup_deletes(draft):
    """backup deletes archive versions"""
    draft.allow("Backup", "s3:DeleteObjectVersion", {"Fn::Sub": "${Bucket.Arn}/archives/*"})


@mistake("only_retention_may_delete_in_bulk")
def signup_deletes(draft):
    """signup deletes an item"""
    draft.allow("Signup", "dynamodb:DeleteItem", arn("MainTable"))


@mistake("only_retention_may_delete_in_bulk")
def campaign_scans(draft):
    """a scan"""
    draft.allow("Campaign", "dynamodb:Scan", arn("MainTable"))


@mistake("only_retention_can_seal")
def admin_seals(draft):
    """admin reads the sealing secret"""
    draft.allow("Admin", "secretsmanager:GetSecretValue", {"Ref": "SealingSecret"})


@mistake("only_retention_may_delete_in_bulk")
def preferences_deletes_anything(draft):
    """preferences deletes anything"""
    draft.allow("Preferences", "dynamodb:DeleteItem", arn("MainTable"))


@mistake("only_restore_may_write_archives_back")
def import_reads_archives(draft):
    """import reads archives"""
    draft.allow("Import", "s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/archives/*"})


@mistake("only_restore_may_write_archives_back")
def restore_changes_archives(draft):
    """restore changes archives"""
    draft.allow("Restore", "s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/archives/*"})


name = "only_legal_reads_the_legal_secret_and_of_people_sealed_evidence_only"


@mistake(name)
def admin_reads_the_legal_secret(draft):
    """admin reads the legal secret"""
    draft.allow("Admin", "secretsmanager:GetSecretValue", {"Ref": "LegalSecret"})


@mistake(name)
def legal_queries_everybody(draft):
    """legal queries all partitions"""
    draft.allow("Legal", "dynamodb:Query", arn("MainTable"))


name = "who_talks_to_recipients_reaches_nothing_but_their_messages"


@mistake(name)
def webhook_reads_people(draft):
    """webhook reads people"""
    draft.allow("Webhook", "dynamodb:Query", arn("MainTable"))


@mistake(name)
def webhook_opens_tokens(draft):
    """webhook reads the platform's secret"""
    draft.allow("Webhook", "secretsmanager:GetSecretValue", {"Ref": "PlatformSecret"})


@mistake(name)
def others_sign_for_webhooks(draft):
    """send reads the webhook secret"""
    draft.allow("Send", "secretsmanager:GetSecretValue", {"Ref": "WebhookSecret"})


set_in(name, "calls this machine", ("Parameters", "LocalWebhooks", "Default"), "true")


@mistake("a_tombstone_goes_with_its_account_only")
def tombstone_goes(draft):
    """retention deletes a single tombstone"""
    draft.allow("Retention", "dynamodb:DeleteItem", arn("TombstoneTable"))


@mistake("a_tombstone_goes_with_its_account_only")
def tombstones_go(draft):
    """admin deletes tombstones in bulk"""
    draft.allow("Admin", "dynamodb:BatchWriteItem", arn("TombstoneTable"))


name = "the_environment_names_what_the_role_allows"
VARIABLES = ("Environment", "Variables")
set_in(name, "a name without a right", props("SignupFunction", *VARIABLES, "BUCKET"), {"Ref": "Bucket"})
set_in(name, "a right without a name", props("ImportFunction", *VARIABLES, "BUCKET"), None)
set_in(name, "a queue it may not send to", props("SignupFunction", *VARIABLES, "SEND_QUEUE_URL"), {"Ref": "SendQueue"})
set_in(name, "the wrong table", props("SignupFunction", *VARIABLES, "TABLE"), {"Ref": "TombstoneTable"})
set_in(name, "another URL", props("SignupFunction", *VARIABLES, "PUBLIC_URL"), "https://example.com")

# --------------------------------------------------------------------------- events
name = "functions_are_built_for_arm_and_start_as_bootstrap"
set_in(name, "x86", props("SendFunction", "Architectures"), ["x86_64"])
set_in(name, "another's package", props("SendFunction", "CodeUri"), "../target/lambda/notice/")
name = "routes_are_those_of_the_contract"
set_in(name, "a missing route", props("ConfirmFunction", "Events", "Page"), None)
set_in(name, "the gateway's own 404", props("SignupFunction", "Events", "Elsewhere"), None)
set_in(name, "one method only", props("UnsubscribeFunction", "Events", "Page", "Properties", "Method"), "GET")
set_in(name, "another path", props("AdminFunction", "Events", "Any", "Properties", "Path"), "/api/v2/{proxy+}")
set_in(name, "runs longer than the gateway", props("AdminFunction", "Timeout"), 60)
name = "functions_read_their_queue_in_agreed_batches"
QUEUE = ("Events", "Queue", "Properties")
set_in(name, "whole batches", props("NoticeFunction", *QUEUE, "FunctionResponseTypes"), None)
set_in(name, "two pieces of work", props("ImportFunction", *QUEUE, "BatchSize"), 2)
set_in(name, "another's queue", props("SendFunction", *QUEUE, "Queue"), arn("NoticeQueue"))
set_in(name, "no window", props("FeedbackFunction", *QUEUE, "MaximumBatchingWindowInSeconds"), None)


@mistake("functions_read_their_queue_in_agreed_batches")
def cannot_read(draft):
    """a queue that its reader may not read"""
    draft.statements("Notice")[:] = [
        s for s in draft.statements("Notice") if "sqs:ReceiveMessage" not in s["Action"]
    ]


name = "messages_stay_hidden_for_six_timeouts"
set_in(name, "five timeouts", props("SendQueue", "VisibilityTimeout"), 1500)
set_in(name, "the window forgotten", props("FeedbackQueue", "VisibilityTimeout"), 360)
name = "every_queue_has_a_dead_letter_queue_and_every_one_of_those_an_alarm"
set_in(name, "no dead letters", props("SendQueue", "RedrivePolicy"), None)
set_in(name, "one attempt", props("SendQueue", "RedrivePolicy", "maxReceiveCount"), 1)
set_in(name, "kept for four days", props("SendDeadLetterQueue", "MessageRetentionPeriod"), 345_600)
set_in(name, "no alarm", ("Resources", "BackupDeadLetterAlarm"), None)
set_in(name, "a deaf alarm", props("BackupDeadLetterAlarm", "Threshold"), 100)
name = "a_setup_over_its_budget_raises_an_alarm"
set_in(name, "another function's log", props("SignupBudgetFilter", "LogGroupName"), {"Ref": "SendLogGroup"})
set_in(name, "looks for something else", props("SignupBudgetFilter", "FilterPattern"), '{ $.event = "over" }')
set_in(name, "no alarm", ("Resources", "SignupBudgetAlarm"), None)
set_in(name, "a deaf alarm", props("SignupBudgetAlarm", "Threshold"), 100)
set_in(name, "watches another metric", props("SignupBudgetAlarm", "MetricName"), "SetupOverBudgets")
name = "what_the_sweeper_could_not_do_raises_an_alarm"
set_in(name, "looks for something else", props("LeavesUnsealedFilter", "FilterPattern"), '{ $.fields.event = "late" }')
set_in(name, "no alarm", ("Resources", "ErasuresOverdueAlarm"), None)
set_in(name, "a deaf alarm", props("DeletionsFailedAlarm", "Threshold"), 100)
name = "every_alarm_over_a_log_has_a_runbook"


@mistake(name)
def a_new_alarm(draft):
    """an alarm that nobody wrote a page for"""
    alarm = dict(draft.source["Resources"]["DeletionsFailedAlarm"])
    draft.source["Resources"]["SomethingElseAlarm"] = alarm


name = "schedules_are_valid_and_fail_loudly"
for function, event, expression, doc in [
    ("Campaign", "EveryMinute", "rate(1 minutes)", "one minutes"),
    ("Campaign", "EveryMinute", "rate(2 minute)", "two minute"),
    ("Campaign", "EveryMinute", "every minute", "neither"),
    ("Backup", "Daily", "cron(0 4 * * ?)", "five fields"),
    ("Backup", "Daily", "cron(0 24 * * ? *)", "hour 24"),
    ("Backup", "Daily", "cron(0 4 * * * *)", "no question mark"),
    ("Backup", "Daily", "cron(0 4 ? * FUN *)", "an invented weekday"),
    ("Backup", "Daily", "cron(0 2 * * ? *)", "an hour that does not exist in March"),
    ("Retention", "Hourly", "rate(2 hours)", "not what is promised"),
]:
    set_in(name, doc, props(f"{function}Function", "Events", event, "Properties", "ScheduleExpression"), expression)
DAILY = props("BackupFunction", "Events", "Daily", "Properties")
set_in(name, "an invented zone", (*DAILY, "ScheduleExpressionTimezone"), "Europe/Wien")
set_in(name, "no dead letters", (*DAILY, "DeadLetterConfig"), None)
set_in(name, "crashes are lost", props("BackupFunction", "EventInvokeConfig"), None)
set_in(name, "retried for two days", (*DAILY, "RetryPolicy", "MaximumEventAgeInSeconds"), 172_800)
name = "only_the_active_region_acts"
set_in(name, "always on", (*DAILY, "State"), "ENABLED")
set_in(name, "reads in both regions", props("SendFunction", *QUEUE, "Enabled"), True)
set_in(name, "another condition", ("Conditions", "IsActive"), {"Fn::Equals": ["a", "a"]})
name = "ses_publishes_what_feedback_reads_and_tracks_nobody"
EVENTS = props("ConfigurationSetEvents", "EventDestination", "MatchingEventTypes")
set_in(name, "a wrong name", (*EVENTS, 0), "sends")
set_in(name, "tracks opens", EVENTS,
       ["send", "delivery", "bounce", "complaint", "reject", "renderingFailure", "deliveryDelay", "open"])
PATTERN = props("FeedbackRule", "EventPattern")
set_in(name, "a wrong detail-type", (*PATTERN, "detail-type", 2), "Email Bounce")
set_in(name, "everybody's events", (*PATTERN, "detail"), None)
name = "no_address_and_no_header_leaves_an_event"
TO = props("FeedbackRule", "Targets", 0)
set_in(name, "the whole event", (*TO, "InputTransformer"), None)
set_in(name, "the recipients", (*TO, "InputTransformer", "InputPathsMap", "time"), "$.detail.mail.destination")
set_in(name, "the diagnostic code", (*TO, "InputTransformer", "InputPathsMap", "bounce_status"),
       "$.detail.bounce.bouncedRecipients[0].diagnosticCode")
set_in(name, "outside quotes", (*TO, "InputTransformer", "InputTemplate"), '{"type":<type>}')
name = "only_the_rule_may_write_to_the_feedback_queue"
ANY = props("FeedbackQueuePolicy", "PolicyDocument", "Statement", 0)
set_in(name, "anybody", (*ANY, "Principal"), "*")
set_in(name, "any rule", (*ANY, "Condition"), {})
