#!/usr/bin/env python3
"""Checks Rundbrief's consent certificates, offline and with nothing but Python 3.8's own library.

    verify.py CERTIFICATE KEYS          a certificate against the platform's published keys
    verify.py --account ACCOUNT --api URL [--key KEY] [--keys FILE] [--head SHA256]
                                        all of an account's sign-ups and unsubscriptions, over
                                        the management API; without --key, RUNDBRIEF_KEY is it

CERTIFICATE is what GET /api/v1/accounts/{account}/signups/{id}/certificate answers, KEYS what
GET /.well-known/rundbrief-evidence.json does. Whoever does not want to trust the platform keeps
KEYS and the head that a check prints, and gives them to the next one: with --keys only those keys
count, with --head that seal must still be in the chain. Exit status: 0 everything holds, 1
something does not (and is named), 2 it cannot be checked, 3 it holds as far as it is sealed yet.

What is checked: each statement's canonical JSON (RFC 8785) with its salt gives the leaf's digest;
the leaf's path leads to the sealed root (Merkle tree, RFC 9162 section 2.1); the seal is signed
(Ed25519, RFC 8032) by a published key; a leaf is of the time that its statement names, and not
younger than its seal; each document that a statement names is there and has its digest. Of an
account also: the seals are a chain, each record's seal is in it, what is older than the last seal
is sealed, and what the API shows of a record is what was stated.
"""

import base64
import datetime
import hashlib
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

FORMAT = "rundbrief-certificate-1"


class Bad(Exception):
    """Something does not hold; the text names it."""


class CannotCheck(Exception):
    """What was given cannot be checked at all."""


class Gone(CannotCheck):
    """The API has no such thing (any more)."""


# Reading, strictly: every byte of a certificate is to matter.


def no_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Bad("a member stands twice")
    return members


def no_fraction(text):
    raise Bad(f"the number {text} is no whole number")


def parse(text, what):
    try:
        return json.loads(text, object_pairs_hook=no_duplicates, parse_float=no_fraction,
                          parse_constant=no_fraction)
    except ValueError as error:
        raise Bad(f"{what}: not JSON: {error}") from None


def members(value, names, where):
    if not isinstance(value, dict) or set(value) != set(names):
        raise Bad(f"{where}: its members are not exactly {', '.join(names)}")
    return [value[name] for name in names]


def hex_bytes(text, where):
    if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{64}", text):
        raise Bad(f"{where}: not 64 lower-case hex digits")
    return bytes.fromhex(text)


def base64_bytes(text, where):
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise Bad(f"{where}: not base 64") from None
    if base64.b64encode(data).decode() != text:
        raise Bad(f"{where}: not canonical base 64")
    return data


CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid_bytes(text, where):
    if not isinstance(text, str) or not re.fullmatch(f"[0-7][{CROCKFORD}]{{25}}", text):
        raise Bad(f"{where}: not a ULID")
    number = 0
    for character in text:
        number = number * 32 + CROCKFORD.index(character)
    return number.to_bytes(16, "big")


def milliseconds(text, where):
    """An instant as milliseconds of the epoch."""
    try:
        at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    except (TypeError, ValueError):
        raise Bad(f"{where}: not an instant") from None
    at = at.replace(tzinfo=datetime.timezone.utc)
    return round(at.timestamp() * 1000)


def whole(value, where):
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Bad(f"{where}: not a whole number")
    return value


def canonical(value):
    """Canonical JSON (RFC 8785) of a value without fractions."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        inner = (canonical(name) + b":" + canonical(value[name]) for name in names)
        return b"{" + b",".join(inner) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(canonical(item) for item in value) + b"]"
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


# Ed25519 (RFC 8032), verification only.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def recover_x(y, odd):
    """The x of the curve's point with this y; None where there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    return P - x if x % 2 != odd else x


def point(data):
    """A point from its 32 bytes, in extended coordinates."""
    number = int.from_bytes(data, "little")
    y, odd = number & (2**255 - 1), number >> 255
    x = recover_x(y, odd) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


def add(one, two):
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(number, base):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, base)
        base = add(base, base)
        number >>= 1
    return result


def same(one, two):
    return (one[0] * two[2] - two[0] * one[2]) % P == 0 == (one[1] * two[2] - two[1] * one[2]) % P


BASE_Y = 4 * pow(5, -1, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def signed(key, message, signature):
    """Whether `signature` is the key's over `message`."""
    if len(key) != 32 or len(signature) != 64:
        return False
    public, commitment = point(key), point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or commitment is None or scalar >= ORDER:
        return False
    challenge = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(challenge, "little") % ORDER
    return same(times(scalar, BASE), add(commitment, times(challenge, public)))


# Certificates.


def climb(node, index, size, path, where):
    """The root that a node leads to (RFC 9162, section 2.1.3.2)."""
    if index >= size:
        raise Bad(f"{where}: stands outside its tree")
    last = size - 1
    for sibling in path:
        if last == 0:
            raise Bad(f"{where}: its path is too long")
        if index % 2 or index == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while index % 2 == 0 and index:
                index //= 2
                last //= 2
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        index //= 2
        last //= 2
    if last:
        raise Bad(f"{where}: its path is too short")
    return node


def read_keys(document):
    (keys,) = members(document, ["keys"], "the keys")
    result = {}
    for key in keys:
        name, algorithm, data = members(key, ["id", "algorithm", "key"], "a key")
        data = base64_bytes(data, f"key {name}")
        if algorithm != "Ed25519" or hashlib.sha256(data).hexdigest()[:16] != name:
            raise Bad(f"key {name}: not the Ed25519 key that it is named after")
        result[name] = data
    return result


SEALED = ["v", "account", "number", "sealed_at", "leaves", "root", "previous", "key"]


def check_seal(seal, keys, where):
    """What a seal says, if a published key signed it."""
    sealed, signature = members(seal, ["sealed", "signature"], f"{where}, seal")
    members(sealed, SEALED, f"{where}, seal")
    if sealed["key"] not in keys:
        raise Bad(f"{where}: sealed with the key {sealed['key']}, which is not published")
    signature = base64_bytes(signature, f"{where}, signature")
    if not signed(keys[sealed["key"]], canonical(sealed), signature):
        raise Bad(f"{where}: the seal's signature is wrong")
    return sealed


# When what each kind of statement says happened.
TIMES = {"signed_up": "signed_up_at", "confirmed": "confirmed_at", "mailed": "mailed_at",
         "left": "at"}
# A leaf is made with what it states; clocks of machines differ by less.
TOLERANCE = 10 * 60 * 1000


def check_entry(entry, number, keys):
    """Checks one statement; returns it, its name, its leaf's time and what sealed it or None."""
    names = ["statement", "salt", "leaf", "inclusion", "seal"]
    statement, salt, leaf, inclusion, seal = members(entry, names, f"entry {number}")
    if not isinstance(statement, dict):
        raise Bad(f"entry {number}: its statement is no object")
    where = f"entry {number} ({statement.get('kind')} {statement.get('id')})"
    salt, leaf_bytes = hex_bytes(salt, f"{where}, salt"), ulid_bytes(leaf, f"{where}, leaf")
    if statement.get("kind") not in TIMES:
        raise Bad(f"{where}: nothing of this kind is stated")
    made_at = int.from_bytes(leaf_bytes[:6], "big")
    if abs(milliseconds(statement.get(TIMES[statement["kind"]]), where) - made_at) > TOLERANCE:
        raise Bad(f"{where}: its leaf is of another time than what it states")
    if seal is None or inclusion is None:
        if seal is not None or inclusion is not None:
            raise Bad(f"{where}: has a seal or a path, and not both")
        return statement, where, made_at, None
    sealed = check_seal(seal, keys, where)
    index, path = members(inclusion, ["index", "path"], f"{where}, inclusion")
    path = [hex_bytes(node, f"{where}, path") for node in path]
    digest = hashlib.sha256(salt + canonical(statement)).digest()
    node = hashlib.sha256(b"\x00" + leaf_bytes + digest).digest()
    size = whole(sealed["leaves"], f"{where}, leaves")
    root = climb(node, whole(index, f"{where}, index"), size, path, where)
    if root != hex_bytes(sealed["root"], f"{where}, root"):
        raise Bad(f"{where}: the record is not the one that was sealed")
    if sealed["account"] != statement.get("account"):
        raise Bad(f"{where}: sealed for another account")
    if milliseconds(sealed["sealed_at"], where) + TOLERANCE < made_at:
        raise Bad(f"{where}: sealed before it happened")
    return statement, where, made_at, sealed


def check(certificate, keys):
    """Checks a certificate; returns a line for each statement and document, the entries as
    (statement, name, leaf's time, seal or None), and whether all are sealed."""
    names = ["documents", "entries", "format"]
    documents, entries, form = members(certificate, names, "the certificate")
    if form != FORMAT:
        raise Bad(f"the format is not {FORMAT}")
    if not isinstance(entries, list) or not entries or not isinstance(documents, list):
        raise Bad("nothing is stated")
    lines, named, checked = [], set(), []
    for number, entry in enumerate(entries):
        statement, where, made_at, sealed = check_entry(entry, number, keys)
        checked.append((statement, where, made_at, sealed))
        named.update(value for value in (statement.get("form_version"), statement.get("document"),
                                         statement.get("notice_version")) if value)
        lines.append(f"{where}: " + (f"sealed {sealed['sealed_at']} with key {sealed['key']}"
                                     if sealed else "NOT SEALED YET"))
    if len({(one[0].get("account"), one[0].get("id")) for one in checked}) != 1:
        raise Bad("the statements are about different sign-ups")
    kinds = [one[0]["kind"] for one in checked]
    if kinds[0] not in ("signed_up", "left") or any(
            kinds.count(kind) > 1 for kind in ("signed_up", "confirmed", "left")):
        raise Bad("it does not begin with one sign-up or one unsubscription, or repeats itself")
    for number, document in enumerate(documents):
        sha256, text = members(document, ["sha256", "text"], f"document {number}")
        if not isinstance(text, str) or hashlib.sha256(text.encode()).hexdigest() != sha256:
            raise Bad(f"document {sha256}: its words are not the ones it is named after")
        if sha256 not in named:
            raise Bad(f"document {sha256}: no statement names it, or it is there twice")
        named.discard(sha256)
        lines.append(f"document {sha256}: intact")
    if named:
        raise Bad(f"document {min(named)}: a statement names it, and it is not there")
    return lines, checked, all(sealed for _, _, _, sealed in checked)


def verdict(checked):
    """What the statements of a certificate say together."""
    stated = {statement["kind"]: statement for statement, _, _, _ in checked}
    if "left" in stated:
        return f"unsubscribed at {stated['left']['at']}"
    mode = stated["signed_up"].get("mode")
    if mode != "double":
        return f"{mode} opt-in: active without a confirmation, which proves no consent"
    if "confirmed" not in stated:
        return "double opt-in, NOT CONFIRMED: it proves no consent"
    return f"double opt-in, confirmed at {stated['confirmed']['confirmed_at']}"


# A whole account.


# What a statement and the API have no common word for.
OF_STATEMENTS = {"v", "kind", "account", "id"}


def compare(shown, checked, where):
    """What the API shows of a record is what was stated of it."""
    stated = {}
    for statement, _, _, _ in checked:
        if statement["kind"] == "mailed":
            continue
        stated.update((name, value) for name, value in statement.items()
                      if name not in OF_STATEMENTS)
    for name, value in stated.items():
        if name in shown and canonical(shown[name]) != canonical(value):
            raise Bad(f"{where}: its {name} is not what was stated")
    confirmed = any(statement["kind"] == "confirmed" for statement, _, _, _ in checked)
    if not confirmed and (shown.get("confirmed_at") or shown.get("confirm_ip")
                          or shown.get("state") == "confirmed"
                          or (shown.get("mode") == "double" and shown.get("subscriber"))):
        raise Bad(f"{where}: its confirmation was never stated")
    if shown.get("state") == "active" and stated.get("mode") == "double":
        raise Bad(f"{where}: a double opt-in that nobody confirmed is called active")


class Api:
    """The management API, page by page."""

    def __init__(self, base, key):
        self.base, self.key = base.rstrip("/"), key

    def get(self, path):
        request = urllib.request.Request(self.base + path,
                                         headers={"Authorization": f"Bearer {self.key}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise Gone(f"{path}: {error}") from None
            raise CannotCheck(f"{path}: {error}") from None
        except (OSError, ValueError) as error:
            raise CannotCheck(f"{path}: {error}") from None

    def pages(self, path):
        cursor = ""
        while cursor is not None:
            page = parse(self.get(f"{path}?limit=100{cursor}"), path)
            try:
                yield from page["items"]
                cursor = page["next"] and "&cursor=" + urllib.parse.quote(page["next"])
            except (KeyError, TypeError):
                raise CannotCheck(f"{path}: not a page of a list") from None


def check_chain(seals, keys, head):
    """Checks the chain of seals; returns them by number with their digests, and what is bad."""
    chain, bad, previous = {}, [], None
    for number, seal in enumerate(seals, 1):
        try:
            sealed = check_seal(seal, keys, f"seal {number}")
            if sealed["number"] != number or sealed["previous"] != previous:
                raise Bad(f"seal {number}: the chain is broken before it")
            previous = hashlib.sha256(canonical(sealed)).hexdigest()
            chain[number] = (previous, milliseconds(sealed["sealed_at"], f"seal {number}"))
        except Bad as error:
            bad.append(str(error))
            previous = None
    if head and head not in (digest for digest, _ in chain.values()):
        bad.append(f"the seal {head} was there once, and is not in the chain")
    return chain, bad


def account_report(account, api, pinned, head):
    """Checks all records and the chain of seals; prints what does not hold."""
    keys = pinned
    if keys is None:
        keys = read_keys(parse(api.get("/.well-known/rundbrief-evidence.json"), "the keys"))
    base = f"/api/v1/accounts/{urllib.parse.quote(account)}"
    chain, bad = check_chain(api.pages(f"{base}/seals"), keys, head)
    length, newest = max(chain, default=0), max((at for _, at in chain.values()), default=0)
    unsealed, checked = 0, {"signups": 0, "unsubscriptions": 0}
    for kind, name in (("signups", "sign-up"), ("unsubscriptions", "unsubscription")):
        for record in api.pages(f"{base}/{kind}"):
            if record.get("anonymised_at"):
                continue  # Nobody's any more: its leaf says nothing, as is meant.
            where = f"{name} {record['id']}"
            path = f"{base}/{kind}/{urllib.parse.quote(record['id'])}"
            try:
                answer = api.get(f"{path}/certificate")
            except Gone:
                again = (one for one in api.pages(f"{base}/{kind}") if one["id"] == record["id"])
                if next(again, None):  # Not deleted while this ran.
                    bad.append(f"{where}: there is no certificate of it")
                continue
            checked[kind] += 1
            try:
                _, entries, all_sealed = check(parse(answer, where), keys)
                for _, entry, made_at, sealed in entries:
                    if sealed is None:
                        if made_at + TOLERANCE < newest:
                            raise Bad(f"{entry}: was never sealed, and later ones were")
                    elif sealed["number"] > length:
                        all_sealed = False  # Sealed while this ran: the next check sees it.
                    elif (hashlib.sha256(canonical(sealed)).hexdigest()
                          != chain.get(sealed["number"], (None,))[0]):
                        raise Bad(f"{entry}: its seal is not in the account's chain")
                compare(record, entries, where)
                unsealed += not all_sealed
            except Bad as error:
                text = str(error)
                bad.append(text if text.startswith(where) else f"{where}: {text}")
    for line in bad:
        print(f"ALTERED {line}")
    if chain:
        print(f"keys {', '.join(sorted(keys))}; head {chain[max(chain)][0]}")
    print(f"{checked['signups']} sign-ups, {checked['unsubscriptions']} unsubscriptions and "
          f"{len(chain)} seals checked: {len(bad)} altered, {unsealed} not sealed yet")
    return 1 if bad else 3 if unsealed else 0


def read(name):
    try:
        with open(name, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotCheck(f"cannot read: {error}") from None


def main(arguments):
    options = dict.fromkeys(["--account", "--api", "--key", "--keys", "--head"])
    files = []
    rest = iter(arguments)
    for argument in rest:
        if argument in options:
            options[argument] = next(rest, None)
        else:
            files.append(argument)
    key = options["--key"] or os.environ.get("RUNDBRIEF_KEY")
    try:
        if options["--account"] and options["--api"] and key and not files:
            pinned = None
            if options["--keys"]:
                pinned = read_keys(parse(read(options["--keys"]), "the keys"))
            api = Api(options["--api"], key)
            return account_report(options["--account"], api, pinned, options["--head"])
        if any(options.values()) or len(files) != 2:
            print(__doc__, file=sys.stderr)
            return 2
        keys = read_keys(parse(read(files[1]), "the keys"))
        lines, checked, all_sealed = check(parse(read(files[0]), "the certificate"), keys)
    except Bad as error:
        print(f"DOES NOT HOLD: {error}")
        return 1
    except CannotCheck as error:
        print(f"cannot check: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    print(verdict(checked))
    if all_sealed:
        print("HOLDS")
    elif any(sealed for _, _, _, sealed in checked):
        print("HOLDS AS FAR AS SEALED: ask again after the next hour")
    else:
        print("NOTHING IS SEALED YET: ask again after the next hour")
    return 0 if all_sealed else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
