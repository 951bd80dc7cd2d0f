# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4 in the standard library's terms, written from its specification: the second opinion on each request.

`check` takes a request as it came over the wire and says what is wrong with its signature; `headers` signs one.
"""

import datetime
import hashlib
import hmac
import re
import urllib.parse

EMPTY = hashlib.sha256(b"").hexdigest()
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(.+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
                           r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})")


def encode(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(query):
    pairs = [p.partition("=")[::2] for p in query.split("&") if p]
    decoded = [(urllib.parse.unquote(k), urllib.parse.unquote(v)) for k, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted((encode(k), encode(v)) for k, v in decoded))


def canonical_path(path):
    return urllib.parse.quote(urllib.parse.unquote(path), safe="-_.~/")


def signature(method, path, query, signed, payload, stamp, region, secret):
    """signed: list of (name in lower case, value), sorted."""
    lines = "".join(f"{k}:{' '.join(v.split())}\n" for k, v in signed)
    names = ";".join(k for k, _ in signed)
    canonical = "\n".join((method, canonical_path(path), canonical_query(query), lines, names, payload))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = ("AWS4" + secret).encode()
    for word in (stamp[:8], region, "s3", "aws4_request", to_sign):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key.hex()


def headers(method, path, query, given, body, region, access_key, secret):
    """The headers that sign a request; given: those (lower case) that are to be signed beside."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(body).hexdigest()
    all_of = given | {"x-amz-date": stamp, "x-amz-content-sha256": payload}
    signed = sorted(all_of.items())
    sig = signature(method, path, query, signed, payload, stamp, region, secret)
    return {**{k: v for k, v in all_of.items() if k != "host"},
            "Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/{stamp[:8]}/{region}/s3/aws4_request, "
                             f"SignedHeaders={';'.join(k for k, _ in signed)}, Signature={sig}"}


def check(method, target, sent, body, region, access_key, secret):
    """What is wrong, or None. sent: list of (name, value) as they came."""
    have = {}
    for name, value in sent:
        if name.lower() in have:
            return f"header {name} twice"
        have[name.lower()] = value
    found = AUTHORIZATION.fullmatch(have.get("authorization", ""))
    if not found:
        return "no signature"
    who, day, where, names, given = found.groups()
    path, _, query = target.partition("?")
    stamp, payload = have.get("x-amz-date", ""), have.get("x-amz-content-sha256", "")
    if (who, where) != (access_key, region) or stamp[:8] != day:
        return f"signed for {who} in {where} on {day}"
    if payload != hashlib.sha256(body).hexdigest():
        return "x-amz-content-sha256 is not that of the body"
    names = names.split(";")
    unsigned = [n for n in have if n.startswith("x-amz-") and n not in names]
    if unsigned or "host" not in names or names != sorted(names):
        return f"signed headers {names}, not {unsigned}"
    if path != canonical_path(path) or query != canonical_query(query):
        return f"not in canonical form: {target}"
    want = signature(method, path, query, [(n, have.get(n, "")) for n in names], payload, stamp, region, secret)
    return None if want == given else "another signature"
