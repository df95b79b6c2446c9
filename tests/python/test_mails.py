"""Every kind of mail, read by Python's `email` package, which shares no code with us.

RFC 5322 (lines, headers), RFC 2047 (encoded words), RFC 8058 and 3834 (which headers where).
"""

import email
import email.header
import email.policy
import re
import sys
import unittest

from platform_process import Platform

ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=")

# Nobody else is called so: no log may hold any of it.
PRIVATE = ["quellwolkenhain", "Zwirbelstein"]


def all_kinds(platform):
    """Makes one mail of every kind; kind -> mail."""
    people = {}

    def sign_up(kind, setup):
        people[kind] = f"{kind}.quellwolkenhain@mails.example"
        status, _, _ = platform.form(
            f"/signup/demo/{setup}",
            email=people[kind],
            first_name="Änne-Zwirbelstein",
            last_name="Zwirbelstein-😀",
        )
        assert status == 303, status

    for mode, kind in [("double", "confirmation"), ("confirmed", "information")]:
        sign_up(kind + "-de", mode)
        setup = platform.manage("GET", f"/setups/{mode}")
        setup = {**setup, "language": "en", "name": "English"}
        del setup["id"]
        made = platform.manage("POST", "/setups", setup)
        sign_up(kind + "-en", made["id"])
    platform.drain()
    mails = {}
    for kind, address in people.items():
        (mails[kind],) = platform.inbox(address)
    # Who confirmed gets the campaign; long words, emoji and braces in every place.
    status, _, _ = platform.request("POST", platform.link(mails["confirmation-de"], "confirm"), b"")
    assert status == 200, status
    template = platform.manage(
        "POST",
        "/templates",
        {
            "name": "Neues",
            "subject": "Grüße für {{ subscriber.first_name }} 😀 " + "ÄÖÜ" * 60,
            "html": "<html><body><p>Grüß Gott, {{ subscriber.last_name }}!</p><p>"
            + "ü" * 3000
            + "</p><p>"
            + "x" * 3000
            + "</p><p>{{ imprint }}</p>"
            + '<p><a href="{{ unsubscribe_url }}">Abmelden</a></p></body></html>',
        },
    )
    campaign = platform.manage(
        "POST",
        "/campaigns",
        {
            "name": "Neues",
            "template": template["id"],
            "lists": ["news"],
            "sender": {"name": "Muster 😀 GmbH, „Ö“", "email": "news@muster.example"},
        },
    )
    platform.manage("POST", f"/campaigns/{campaign['id']}/send", {})
    for _ in range(20):
        platform.json("POST", "/_local/run/campaign")
        platform.drain()
        mails_now = platform.inbox(people["confirmation-de"])
        if len(mails_now) == 2:
            mails["campaign"] = mails_now[1]
            break
    assert "campaign" in mails, platform.manage("GET", f"/campaigns/{campaign['id']}/report")
    return mails


class Mails(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = cls.enterClassContext(Platform())
        cls.mails = all_kinds(cls.platform)

    def each(self):
        for kind, mail in self.mails.items():
            with self.subTest(kind):
                yield kind, mail

    def test_the_bytes_are_seven_bit_with_crlf_and_short_lines(self):
        for _, mail in self.each():
            raw = mail["raw"]
            self.assertTrue(raw.isascii())
            self.assertTrue(raw.endswith("\r\n"))
            self.assertEqual(re.sub("\r\n", "", raw).count("\r"), 0)
            self.assertEqual(re.sub("\r\n", "", raw).count("\n"), 0)
            self.assertLessEqual(max(map(len, raw.split("\r\n"))), 998)

    def test_the_parser_finds_no_defect_anywhere(self):
        for _, mail in self.each():
            message = email.message_from_bytes(mail["raw"].encode(), policy=email.policy.default)
            for part in message.walk():
                self.assertEqual(part.defects, [])
                for name, value in part.items():
                    self.assertEqual(list(getattr(value, "defects", [])), [], name)
                if not part.is_multipart():
                    self.assertTrue(part.get_content())
            self.assertEqual(message["Subject"], mail["subject"])
            self.assertEqual(message["To"], mail["to"])
            self.assertEqual(message.get_content_type(), "multipart/alternative")
            kinds = [part.get_content_type() for part in message.iter_parts()]
            self.assertEqual(kinds, ["text/plain", "text/html"])
            same = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
            self.assertEqual(same.strip(), mail["text"].replace("\r\n", "\n").strip())

    def test_every_encoded_word_can_be_decoded_alone(self):
        seen = 0
        for _, mail in self.each():
            head = mail["raw"].split("\r\n\r\n")[0]
            for word in ENCODED_WORD.findall(head):
                self.assertLessEqual(len(word), 75, "RFC 2047, section 2")
                ((octets, charset),) = email.header.decode_header(word)
                octets.decode(charset, "strict")
                seen += 1
            for name in ["To", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"]:
                for line in re.findall(rf"(?mi)^{name}:.*(?:\r\n[ \t].*)*", head):
                    self.assertNotRegex(line, ENCODED_WORD)
        self.assertGreater(seen, 1)

    def test_list_headers_are_on_list_mail_and_on_no_other(self):
        for kind, mail in self.each():
            names = [name.lower() for name, _ in mail["headers"]]
            listed = 1 if kind == "campaign" else 0
            for name in ["list-unsubscribe", "list-unsubscribe-post", "list-id"]:
                self.assertEqual(names.count(name), listed, name)
            self.assertEqual(names.count("auto-submitted"), 1 - listed)
            values = {name.lower(): value for name, value in mail["headers"]}
            if listed:
                self.assertEqual(values["list-unsubscribe-post"], "List-Unsubscribe=One-Click")
                self.assertRegex(values["list-unsubscribe"], r"^<https?://[^<>\s]+>(, <mailto:[^<>\s]+>)?$")
            else:
                self.assertEqual(values["auto-submitted"], "auto-generated")
            for once in ["from", "to", "subject", "date", "message-id", "mime-version"]:
                self.assertEqual(names.count(once), 1, once)

    def test_one_click_by_the_campaigns_header_unsubscribes(self):
        if "campaign" not in self.mails:
            self.skipTest("no campaign")
        (header,) = [v for n, v in self.mails["campaign"]["headers"] if n.lower() == "list-unsubscribe"]
        path = re.search(r"/unsubscribe/[\w-]+", header)[0]
        for _ in range(2):
            status, headers, _ = self.platform.form(path, **{"List-Unsubscribe": "One-Click"})
            self.assertEqual(status, 200)
            self.assertNotIn("set-cookie", {name.lower() for name in headers})


class Logs(unittest.TestCase):
    def test_the_log_of_a_whole_run_holds_nobody(self):
        with Platform() as platform:
            mails = all_kinds(platform)
            tokens = [
                token
                for mail in mails.values()
                for token in re.findall(r"/(?:confirm|unsubscribe|not-me)/([\w-]{20,})", mail["text"])
            ]
            keys = [platform.endpoints[name] for name in ["demo_key", "platform_key"]]
        self.assertEqual(platform.exit_code, 0)
        self.assertTrue(tokens)
        for private in PRIVATE + tokens + keys:
            self.assertNotIn(private, platform.logged)


if __name__ == "__main__":
    unittest.main()
