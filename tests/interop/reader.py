#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reader.py STORE ROOT OUT [IDENTITY-FILE]: a disk from a store in a directory, by docs/format.md alone.

Uses Python's library, `age -d` and `zstd -d`. IDENTITY-FILE holds a key of the recipients; a plain store needs none.
"""
import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess
import sys
import tempfile

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def fail(text):
    sys.exit("reader: " + text)


def run(argv, data):
    done = subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        fail(f"{argv[0]} ended with {done.returncode}")
    return done.stdout


def age(data, identity_file):
    return run(["age", "-d", "-i", identity_file], data)


def secret_bytes(text):
    """The 32 bytes of AGE-SECRET-KEY-1…: bech32 without looking at its checksum."""
    digits = [BECH32.index(c) for c in text.strip().lower().split("1", 1)[1]][:-6]
    bits = "".join(f"{d:05b}" for d in digits)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, 256, 8))


def hkdf(secret, salt, info):
    prk = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def keyed(key, data):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


class Store:
    def __init__(self, folder, identity_file, scratch):
        self.folder = folder
        self.identity_file = identity_file
        with open(os.path.join(folder, "holdfast.json"), encoding="utf-8") as f:
            doc = json.load(f)
        if doc["format"] != 1:
            fail("another format")
        self.encrypted = bool(doc["recipients"])
        if self.encrypted:
            secret = age(base64.b64decode(doc["metadata_identity_age"]), identity_file).decode()
        else:
            secret = doc["metadata_identity"]
        self.metadata_file = os.path.join(scratch, "metadata")
        with open(self.metadata_file, "w", encoding="utf-8") as f:
            f.write(secret + "\n")
        raw, salt = secret_bytes(secret), doc["store"].encode()
        self.chunk_key = hkdf(raw, salt, b"holdfast/1/chunk-id")
        self.tree_key = hkdf(raw, salt, b"holdfast/1/tree-id")
        self.index_key = hkdf(raw, salt, b"holdfast/1/index-mac")
        self.manifest_key = hkdf(raw, salt, b"holdfast/1/manifest-mac")
        self.places = {1: {}, 2: {}}
        self.packs = {}
        self.contents = {}

    def get(self, name, key_file):
        with open(os.path.join(self.folder, name + (".age" if self.encrypted else "")), "rb") as f:
            data = f.read()
        return data, age(data, key_file) if self.encrypted else data

    def read_indexes(self):
        for name in sorted(os.listdir(os.path.join(self.folder, "index"))):
            self.read_index(name[:32])

    def read_index(self, pack):
        text = self.get(f"index/{pack}.idx", self.metadata_file)[1]
        magic, pack_id, kind, records, stored, plain, digest, zero = struct.unpack_from("<8s16sIIQQ32sQ", text)
        if magic != b"HFINDX01" or pack_id.hex() != pack or zero or len(text) != 88 + 48 * records + 32:
            fail("a damaged index " + pack)
        if keyed(self.index_key, text[:-32]) != text[-32:]:
            fail("a forged index " + pack)
        self.packs[pack] = (kind, stored, plain, digest)
        for i in range(records):
            entry = struct.unpack_from("<32sIIII", text, 88 + 48 * i)
            self.places[kind][entry[0]] = (pack,) + entry[1:]

    def content(self, pack):
        if pack not in self.contents:
            kind, stored, plain, digest = self.packs[pack]
            folder = "packs" if kind == 1 else "trees"
            key_file = self.identity_file if kind == 1 else self.metadata_file
            data, text = self.get(f"{folder}/{pack[:2]}/{pack}", key_file)
            if len(data) != stored or hashlib.sha256(data).digest() != digest or len(text) != plain:
                fail("a damaged pack " + pack)
            if text[:32] != b"HFPACK01" + struct.pack("<II", kind, 0) + bytes.fromhex(pack):
                fail("another pack at " + pack)
            magic, _, zero, before = struct.unpack("<8sIIQ", text[-24:])
            if magic != b"HFPEND01" or zero or before != len(text) - 24:
                fail("no end of " + pack)
            self.contents[pack] = text
        return self.contents[pack]

    def record(self, kind, ident):
        pack, at, stored, plain, codec = self.places[kind][ident]
        text = self.content(pack)
        if text[at:at + 44] != ident + struct.pack("<III", stored, plain, codec):
            fail(f"another record in {pack} at {at}")
        data = text[at + 44:at + 44 + stored]
        if codec == 1:
            data = run(["zstd", "-d", "-q"], data)
        if len(data) != plain or keyed(self.chunk_key if kind == 1 else self.tree_key, data) != ident:
            fail(f"damaged content in {pack} at {at}")
        return data


def ids_of(data):
    return [data[i:i + 32] for i in range(0, len(data), 32)]


def rebuild(store, root, out):
    text = store.record(2, bytes.fromhex(root))
    magic, disk_bytes, chunk_bytes, per_segment = struct.unpack_from("<8sQII", text)
    if magic != b"HFROOT01":
        fail("no root")
    hole = bytes(32)
    out.truncate(disk_bytes)
    for s, segment in enumerate(ids_of(text[24:])):
        if segment == hole:
            continue
        body = store.record(2, segment)
        if body[:8] != b"HFSEGM01":
            fail("no segment")
        for c, chunk in enumerate(ids_of(body[8:])):
            if chunk == hole:
                continue
            out.seek((s * per_segment + c) * chunk_bytes)
            out.write(store.record(1, chunk))


def main():
    folder, root, out = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(folder, sys.argv[4] if len(sys.argv) > 4 else None, scratch)
        store.read_indexes()
        with open(out, "wb") as f:
            rebuild(store, root, f)


if __name__ == "__main__":
    main()
