use super::*;

fn handout() -> Handout {
    Handout {
        api: "http://127.0.0.1:8080".to_owned(),
        sqs: "http://127.0.0.1:9324".to_owned(),
        region: "eu-central-1".to_owned(),
        account: "000000000000".to_owned(),
        stack: "rundbrief".to_owned(),
        parameters: BTreeMap::from([("PublicUrl".to_owned(), "http://127.0.0.1:8080".to_owned())]),
    }
}

fn read(source: &str) -> Result<Stack, TemplateError> {
    Stack::read(source, &handout())
}

#[test]
fn the_template_that_deploys_is_understood() {
    let stack = read(TEMPLATE).unwrap();
    let routes: Vec<(&str, &Route)> = stack
        .functions
        .iter()
        .flat_map(|(name, function)| {
            function
                .routes
                .iter()
                .map(move |route| (name.as_str(), route))
        })
        .collect();
    let route = |method: &str, path: &str| Route {
        method: method.to_owned(),
        path: path.to_owned(),
    };
    assert!(routes.contains(&("signup", &route("ANY", "/signup/{account}/{setup}"))));
    assert!(routes.contains(&("signup", &route("ANY", "$default"))));
    let main = &stack.tables["MainTable"];
    assert_eq!(main.time_to_live.as_deref(), Some("expires_at"));
    assert_eq!(stack.functions["signup"].environment["TABLE"], main.name);
    let notice = &stack.functions["notice"].queues[0];
    assert!(notice.report_failures);
    assert!(stack.queues[&notice.queue].redrive.is_some());
    assert!(!stack.functions["retention"].schedules.is_empty());
}

const SMALL: &str = r"
Parameters:
  PublicUrl: { Type: String, Default: '' }
  Stage: { Type: String, Default: development }
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
Globals:
  Function:
    Timeout: 7
    Environment: { Variables: { STAGE: !Ref Stage } }
Resources:
  MainTable:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      TableName: !Sub '${AWS::StackName}-main'
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      StreamSpecification: !If [IsProduction, { StreamViewType: KEYS_ONLY }, !Ref AWS::NoValue]
  JobQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 42
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': [DeadQueue, Arn] }, maxReceiveCount: 3 }
  DeadQueue:
    Type: AWS::SQS::Queue
  ReplicaBucket:
    Type: AWS::S3::Bucket
    Condition: IsProduction
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          TABLE: { Ref: MainTable }
          QUEUE: !Ref JobQueue
          PUBLIC_URL: !Ref PublicUrl
          ENDPOINT: !Sub ['${scheme}://${Api}.execute-api.${AWS::Region}.amazonaws.com/x', { scheme: https }]
          LITERAL: !Sub '${!NotMine} ${JobQueue.QueueName}'
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt JobQueue.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
        Off:
          Type: SQS
          Properties: { Queue: !GetAtt DeadQueue.Arn, Enabled: !If [IsProduction, true, false] }
        Page:
          Type: HttpApi
          Properties: { ApiId: !Ref Api, Method: get, Path: '/x/{proxy+}' }
        Daily:
          Type: ScheduleV2
          Properties: { ScheduleExpression: cron(0 4 * * ? *), ScheduleExpressionTimezone: Europe/Vienna, Input: '{}' }
  Api:
    Type: AWS::Serverless::HttpApi
";

#[test]
fn references_resolve_to_what_the_platform_hands_out() {
    let stack = read(SMALL).unwrap();
    let work = &stack.functions["work"];
    for (key, value) in [
        ("TABLE", "rundbrief-main"),
        (
            "QUEUE",
            "http://127.0.0.1:9324/000000000000/rundbrief-JobQueue",
        ),
        ("PUBLIC_URL", "http://127.0.0.1:8080"),
        ("ENDPOINT", "http://127.0.0.1:8080/x"),
        ("LITERAL", "${NotMine} rundbrief-JobQueue"),
        ("STAGE", "development"),
    ] {
        assert_eq!(work.environment[key], value, "{key}");
    }
    assert_eq!(work.timeout, Duration::from_secs(7));
    assert_eq!(
        work.routes,
        [Route {
            method: "GET".to_owned(),
            path: "/x/{proxy+}".to_owned()
        }]
    );
    assert_eq!(work.queues.len(), 1, "a disabled mapping is none");
    assert_eq!(
        (work.queues[0].batch_size, work.queues[0].report_failures),
        (5, true)
    );
    assert_eq!(work.schedules[0].name, "WorkFunctionDaily");
    let job = &stack.queues["rundbrief-JobQueue"];
    assert_eq!(job.visibility_timeout, Duration::from_secs(42));
    let redrive = Redrive {
        queue: "rundbrief-DeadQueue".to_owned(),
        max_receive_count: 3,
    };
    assert_eq!(job.redrive, Some(redrive));
    assert!(stack.buckets.is_empty(), "its condition does not hold");
}

#[test]
fn anything_outside_of_the_subset_is_refused_with_line_and_construct() {
    // What to replace in the template above, by what, and a word of the refusal; its line is
    // that of the end of what was put in.
    for (from, to, word) in [
        ("!Ref JobQueue", "!ImportValue x", "ImportValue"),
        ("!Ref JobQueue", "!Join ['', [a, b]]", "Join"),
        ("{ Ref: MainTable }", "{ 'Fn::Select': [0, [a]] }", "Select"),
        ("!Ref JobQueue", "!Ref Nowhere", "Nowhere"),
        ("!GetAtt JobQueue.Arn", "!GetAtt JobQueue.Colour", "Colour"),
        ("[!Ref Stage, production]", "[!Ref Stage]", "Equals"),
        ("!Equals [!Ref Stage, production]", "!Not [true]", "Not"),
        (
            "AWS::S3::Bucket",
            "AWS::EC2::Instance",
            "AWS::EC2::Instance",
        ),
        ("Type: HttpApi", "Type: Api", "Api"),
        ("cron(0 4 * * ? *)", "rate(1 minutes)", "1 minutes"),
        ("Europe/Vienna", "Europe/Atlantis", "time zone"),
        ("VisibilityTimeout: 42", "FifoQueue: true", "FifoQueue"),
        ("Timeout: 7", "Layers: []", "Layers"),
        ("BatchSize: 5", "BatchSize: many", "number"),
        ("BatchSize: 5", "FilterCriteria: {}", "FilterCriteria"),
        (
            "Stage: { Type: String, Default: development }",
            "Stage: { Type: String }",
            "Stage",
        ),
        ("Globals:", "Macros:", "Macros"),
        (
            "TableName: !Sub '${AWS::StackName}-main'",
            "TableName: !Ref MainTable",
            "itself",
        ),
        (
            "DeadQueue:\n    Type: AWS::SQS::Queue",
            "DeadQueue: &x\n    Type: *x",
            "anchors",
        ),
    ] {
        let source = SMALL.replacen(from, to, 1);
        assert_ne!(source, SMALL, "{from}");
        let end = source.find(to).unwrap() + to.len();
        let line = source[..end].lines().count();
        let refused = read(&source).expect_err(to);
        assert!(refused.what.contains(word), "{to}: {refused}");
        assert_eq!(refused.line, line, "{to}: {refused}");
    }
}
