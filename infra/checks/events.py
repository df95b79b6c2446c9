"""Assertions on what starts a function and where failures go: routes, queues, schedules, events.

Rights are in `rights.py`.
"""

import json
import re

import schedules
from assertions import assertion
from template import PATH, target

VISIBILITY_FACTOR = 6  # Lambda's advice for a queue that feeds a function
DEAD_LETTER_SECONDS = 14 * 86_400  # the longest that SQS keeps
RUNBOOKS = PATH.parent.parent / "docs" / "runbooks"
SOURCES = PATH.parent.parent / "functions" / "src"
RETENTION = [SOURCES / "retention.rs", *sorted((SOURCES / "retention").glob("*.rs"))]
HTTP_API_SECONDS = 29  # the gateway gives up at 30

# The contract's URLs, with every method: what a page does not offer it answers itself, 405 with
# `Allow`. An event without path and method is the API's default route.
DEFAULT_ROUTE = "$default"
ROUTES = {
    ("SignupFunction", "ANY", "/signup/{account}/{setup}"),
    ("SignupFunction", "ANY", "/notice/{account}/{version}"),
    ("SignupFunction", "GET", "/.well-known/rundbrief-evidence.json"),
    ("SignupFunction", "ANY", DEFAULT_ROUTE),
    ("ConfirmFunction", "ANY", "/confirm/{token}"),
    ("UnsubscribeFunction", "ANY", "/unsubscribe/{token}"),
    ("PreferencesFunction", "ANY", "/preferences/{token}"),
    ("UnsubscribeFunction", "ANY", "/not-me/{token}"),
    ("AdminFunction", "ANY", "/api/v1/{proxy+}"),
}
# function -> (queue, largest batch): a message per call where one is a long piece of work.
QUEUES = {
    "NoticeFunction": ("NoticeQueue", 10),
    "ImportFunction": ("ImportQueue", 1),
    "SendFunction": ("SendQueue", 1),
    "FeedbackFunction": ("FeedbackQueue", 10_000),
    "BackupFunction": ("BackupQueue", 1),
    "RestoreFunction": ("RestoreQueue", 1),
    # Ten seconds each.
    "WebhookFunction": ("WebhookQueue", 5),
}
SCHEDULES = {
    "CampaignFunction": "rate(1 minute)",
    "RetentionFunction": "rate(1 hour)",
    "BackupFunction": "cron(0 4 * * ? *)",
    "LegalFunction": "cron(30 5 * * ? *)",
}
# CloudFormation's spelling -> EventBridge's detail-type. Without open and click.
SES_EVENTS = {
    "send": "Email Sent",
    "delivery": "Email Delivered",
    "bounce": "Email Bounced",
    "complaint": "Email Complaint Received",
    "reject": "Email Rejected",
    "renderingFailure": "Email Rendering Failed",
    "deliveryDelay": "Email Delivery Delayed",
}
# All that may leave an SES event: nothing of it holds an address, a header or a token.
SES_PATHS = {
    "$.detail.eventType", "$.time", "$.detail.mail.messageId", "$.detail.mail.tags",
    "$.detail.bounce.bounceType", "$.detail.bounce.bounceSubType",
    "$.detail.bounce.bouncedRecipients[0].status",
    "$.detail.complaint.complaintFeedbackType", "$.detail.complaint.complaintSubType",
}


@assertion
def functions_are_built_for_arm_and_start_as_bootstrap(template):
    wanted = {
        "Runtime": "provided.al2023", "Architectures": ["arm64"], "Handler": "bootstrap",
    }
    shared = template.source["Globals"]["Function"]
    for name, function in template.functions().items():
        for key, value in wanted.items():
            if function.get(key, shared.get(key)) != value:
                yield f"{name}: {key}"
        package = name.removesuffix("Function").lower()
        if function.get("CodeUri") != f"../target/lambda/{package}/":
            yield f"{name}: CodeUri {function.get('CodeUri')}"


@assertion
def routes_are_those_of_the_contract(template):
    found = set()
    for function, _, event in template.events("HttpApi"):
        path = event.get("Path", DEFAULT_ROUTE)
        found.add((function, event.get("Method", "ANY").upper(), path))
        if target(event.get("ApiId")) != "Api":
            yield f"{function}: {path} on another API"
        if template.functions()[function]["Timeout"] > HTTP_API_SECONDS:
            yield f"{function}: may run longer than its caller waits"
    yield from (f"missing: {route}" for route in sorted(ROUTES - found))
    yield from (f"unknown: {route}" for route in sorted(found - ROUTES))


@assertion
def functions_read_their_queue_in_agreed_batches(template):
    found = {}
    for function, _, event in template.events("SQS"):
        found[function] = (target(event["Queue"]), event["BatchSize"])
        if event.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{function}: one bad message repeats the batch"
        if event["BatchSize"] > 10 and not event.get("MaximumBatchingWindowInSeconds"):
            yield f"{function}: more than ten messages need a window"
    for function in sorted(QUEUES.keys() | found.keys()):
        queue, most = QUEUES.get(function, (None, 0))
        read, batch = found.get(function, (None, 0))
        if read != queue or not 0 < batch <= most:
            yield f"{function}: reads {batch} from {read}"
    reads = {f: {a for g, a, r in template.statements() if g == f for a in a} for f in found}
    for function in sorted(found):
        missing = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} - reads[function]
        if missing:
            yield f"{function}: lacks {sorted(missing)}"


@assertion
def messages_stay_hidden_for_six_timeouts(template):
    queues = template.resources("AWS::SQS::Queue")
    for function, _, event in template.events("SQS"):
        queue = target(event["Queue"])
        window = event.get("MaximumBatchingWindowInSeconds", 0)
        least = VISIBILITY_FACTOR * template.functions()[function]["Timeout"] + window
        if queues[queue].get("VisibilityTimeout", 30) < least:
            yield f"{queue}: hidden for less than {least} s"


@assertion
def every_queue_has_a_dead_letter_queue_and_every_one_of_those_an_alarm(template):
    queues = template.resources("AWS::SQS::Queue")
    dead = {name for name in queues if name.endswith("DeadLetterQueue")}
    for name in queues.keys() - dead:
        redrive = queues[name].get("RedrivePolicy", {})
        if target(redrive.get("deadLetterTargetArn")) != name.removesuffix("Queue") + "DeadLetterQueue":
            yield f"{name}: gives up on messages silently"
        # Fewer, and a throttled mapping alone fills the dead-letter queue.
        if redrive.get("maxReceiveCount", 0) < 5:
            yield f"{name}: gives up after {redrive.get('maxReceiveCount')}"
    alarms = template.resources("AWS::CloudWatch::Alarm").values()
    watched = {
        target(dimension["Value"])
        for alarm in alarms
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        and (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
        for dimension in alarm["Dimensions"]
    }
    for name in sorted(dead):
        if queues[name].get("MessageRetentionPeriod") != DEAD_LETTER_SECONDS:
            yield f"{name}: not kept for 14 days"
        if name not in watched:
            yield f"{name}: nobody is told"


def not_watched(template, log_group, event):
    """Nothing, if exactly one filter looks for the event in the log and an alarm watches its count."""
    counted = []
    for metric in template.resources("AWS::Logs::MetricFilter").values():
        (transformation,) = metric["MetricTransformations"]
        if (
            target(metric["LogGroupName"]) == log_group
            and metric["FilterPattern"] == f'{{ $.fields.event = "{event}" }}'
            and transformation["MetricValue"] == "1"
        ):
            counted.append((transformation["MetricNamespace"], transformation["MetricName"]))
    watched = [
        (alarm.get("Namespace"), alarm["MetricName"])
        for alarm in template.resources("AWS::CloudWatch::Alarm").values()
        if (alarm.get("Statistic"), alarm["Threshold"], alarm["ComparisonOperator"])
        == ("Sum", 0, "GreaterThanThreshold")
    ]
    if len(counted) != 1 or counted[0] not in watched:
        yield f"{event}: counted: {counted}, watched: {watched}"


@assertion
def a_setup_over_its_budget_raises_an_alarm(template):
    """The filter looks for what `signup` logs; the alarm watches what the filter counts."""
    yield from not_watched(template, "SignupLogGroup", "setup_over_budget")


@assertion
def what_the_sweeper_could_not_do_raises_an_alarm(template):
    for event in ["erasures_overdue", "leaves_unsealed", "deletions_failed"]:
        yield from not_watched(template, "RetentionLogGroup", event)
        logged = f'event = "{event}"'
        if not any(logged in source.read_text(encoding="utf-8") for source in RETENTION):
            yield f"{event}: nobody logs it"


@assertion
def every_alarm_over_a_log_has_a_runbook(template):
    runbooks = "".join(page.read_text(encoding="utf-8") for page in sorted(RUNBOOKS.glob("*.md")))
    for name, alarm in template.resources("AWS::CloudWatch::Alarm").items():
        if alarm["Namespace"] != "AWS/SQS" and f"`{name}`" not in runbooks:
            yield f"{name}: no page in docs/runbooks names it"


@assertion
def schedules_are_valid_and_fail_loudly(template):
    found = {}
    for function, name, event in template.events("ScheduleV2"):
        expression, zone = event["ScheduleExpression"], event.get("ScheduleExpressionTimezone")
        found[function] = expression
        yield from schedules.problems(expression, zone)
        json.loads(event.get("Input", "{}"))
        if target(event.get("DeadLetterConfig", {}).get("Arn")) != "ScheduleDeadLetterQueue":
            yield f"{function}: a call that never came is lost"
        invoke = template.functions()[function].get("EventInvokeConfig", {})
        failure = invoke.get("DestinationConfig", {}).get("OnFailure", {})
        if target(failure.get("Destination")) != "ScheduleDeadLetterQueue":
            yield f"{function}: a call that crashed is lost"
        for limits in (event.get("RetryPolicy", {}), invoke):
            if not 60 <= limits.get("MaximumEventAgeInSeconds", 0) <= 86_400:
                yield f"{function}: age of a retry"
    if found != SCHEDULES:
        yield f"schedules are {found}"


@assertion
def only_the_active_region_acts(template):
    """Schedules and queue mappings hang on the condition, not only the handlers."""
    active = {"Fn::If": ["IsActive", "ENABLED", "DISABLED"]}
    enabled = {"Fn::If": ["IsActive", True, False]}
    for name, resource in template.source["Resources"].items():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            if event["Type"] == "ScheduleV2" and event["Properties"].get("State") != active:
                yield name
            if event["Type"] == "SQS" and event["Properties"].get("Enabled") != enabled:
                yield name
    if template.source["Conditions"].get("IsActive") != {
        "Fn::Equals": [{"Ref": "ActiveRegion"}, {"Ref": "AWS::Region"}]
    }:
        yield "IsActive"


@assertion
def ses_publishes_what_feedback_reads_and_tracks_nobody(template):
    (destination,) = template.resources("AWS::SES::ConfigurationSetEventDestination").values()
    published = destination["EventDestination"]["MatchingEventTypes"]
    if sorted(published) != sorted(SES_EVENTS) or destination["EventDestination"].get("Enabled") is not True:
        yield f"published: {published}"
    bus = destination["EventDestination"]["EventBridgeDestination"]["EventBusArn"]
    if not str(bus.get("Fn::Sub", "")).endswith(":event-bus/default"):
        yield "SES publishes to the default bus only"
    pattern = template.resources("AWS::Events::Rule")["FeedbackRule"]["EventPattern"]
    if pattern["source"] != ["aws.ses"] or sorted(pattern["detail-type"]) != sorted(SES_EVENTS.values()):
        yield f"rule: {pattern}"
    sets = pattern.get("detail", {}).get("mail", {}).get("tags", {}).get("ses:configuration-set")
    if sets != [{"Ref": "ConfigurationSet"}]:
        yield "the rule takes events of other configuration sets"


@assertion
def no_address_and_no_header_leaves_an_event(template):
    (to,) = template.resources("AWS::Events::Rule")["FeedbackRule"]["Targets"]
    transformer = to.get("InputTransformer")
    if target(to["Arn"]) != "FeedbackQueue" or "Input" in to or "InputPath" in to or not transformer:
        yield "the rule does not go through its transformer into the feedback queue"
        return
    paths, body = transformer["InputPathsMap"], transformer["InputTemplate"]
    yield from (f"takes {path}" for path in sorted(set(paths.values()) - SES_PATHS))
    used = re.findall(r"<([^<>]+)>", body)
    if sorted(used) != sorted(paths):
        yield f"takes {sorted(paths)}, passes {sorted(used)}"
    # A variable without a value becomes nothing at all: in quotes that is still JSON.
    for variable in used:
        if f'"<{variable}>"' not in body and variable != "tags":
            yield f"<{variable}> stands outside quotes"
    try:
        json.loads(body.replace("<tags>", "{}"))
    except ValueError as error:
        yield f"the message is no JSON: {error}"


@assertion
def only_the_rule_may_write_to_the_feedback_queue(template):
    policies = template.resources("AWS::SQS::QueuePolicy")
    for name, policy in policies.items():
        for statement in policy["PolicyDocument"]["Statement"]:
            source = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn")
            if (
                statement["Principal"] != {"Service": "events.amazonaws.com"}
                or statement["Action"] != "sqs:SendMessage"
                or target(source) != "FeedbackRule"
            ):
                yield name
    queues = [target(q) for policy in policies.values() for q in policy["Queues"]]
    if sorted(queues) != ["FeedbackDeadLetterQueue", "FeedbackQueue"]:
        yield f"the rule cannot write to its queue and dead-letter queue: {queues}"
