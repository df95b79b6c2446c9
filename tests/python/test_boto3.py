"""Tables and bucket through boto3: what we emulate is what AWS's own SDK expects."""

import sys
import unittest

from platform_process import Platform

try:
    import boto3
    from botocore.config import Config
except ImportError:
    boto3 = None
    print("WITHOUT BOTO3: tables and bucket are not read by it", file=sys.stderr)


@unittest.skipIf(boto3 is None, "boto3 is not installed")
class ThroughBoto3(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = cls.enterClassContext(Platform())

    def client(self, service, endpoint):
        found = self.platform.endpoints
        return boto3.client(
            service,
            endpoint_url=found[endpoint],
            region_name=found["region"],
            aws_access_key_id=found["access_key_id"],
            aws_secret_access_key=found["secret_access_key"],
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )

    def test_the_tables_can_be_listed_described_and_scanned(self):
        found = self.platform.endpoints
        status, _, _ = self.platform.form("/signup/demo/single", email="anna@boto.example")
        self.assertEqual(status, 303)
        dynamodb = self.client("dynamodb", "dynamodb")
        names = dynamodb.list_tables()["TableNames"]
        self.assertEqual(set(names), {found["table"], found["tombstone_table"]})
        for name in names:
            keys = dynamodb.describe_table(TableName=name)["Table"]["KeySchema"]
            self.assertEqual([key["AttributeName"] for key in keys], ["pk", "sk"])
        pages = dynamodb.get_paginator("scan").paginate(TableName=found["table"])
        items = [item for page in pages for item in page["Items"]]
        self.assertIn("anna@boto.example", repr(items))
        live = dynamodb.describe_time_to_live(TableName=found["table"])
        self.assertEqual(live["TimeToLiveDescription"]["AttributeName"], "expires_at")

    def test_the_bucket_can_be_listed(self):
        bucket = self.platform.endpoints["bucket"]
        s3 = self.client("s3", "s3")
        self.assertIn(bucket, [known["Name"] for known in s3.list_buckets()["Buckets"]])
        self.assertEqual(s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0)

    def test_the_queues_can_be_listed_and_are_empty(self):
        self.platform.drain()
        sqs = self.client("sqs", "sqs")
        urls = sqs.list_queues()["QueueUrls"]
        self.assertGreaterEqual(len(urls), 10)
        for url in urls:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            self.assertEqual(attributes["ApproximateNumberOfMessages"], "0", url)

    def test_ses_states_its_limits(self):
        account = self.client("sesv2", "ses").get_account()
        self.assertEqual(account["SendQuota"]["MaxSendRate"], 100000)


if __name__ == "__main__":
    unittest.main()
