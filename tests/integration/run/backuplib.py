# SPDX-License-Identifier: Apache-2.0
"""What the tests of whole backups share: a judge of what lies on a store.

The judge has nothing of holdfast but docs/format.md, docs/manifest.md and the reader of tests/interop.
"""

import base64
import contextlib
import hashlib
import io
import json
import sys
import tempfile
from pathlib import Path

from runlib import SOURCE

sys.path.insert(0, str(SOURCE / "tests/interop"))
import reader  # noqa: E402

MIB = 1 << 20


class Found:
    """points: id → {disk: SHA-256 of it, rebuilt}; strays: what nothing names; twice: content that lies in two packs."""

    def __init__(self):
        self.points, self.strays, self.twice = {}, set(), []


class Judge:
    """A store in a directory, read whole. AssertionError for anything that a point needs and that is not right."""

    def __init__(self, folder, identity=None):
        self.folder, self.identity = Path(folder), identity
        self.named = {"holdfast.json"}

    def look(self):
        with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(io.StringIO()):
            try:
                return self._look(scratch)
            except (SystemExit, OSError, KeyError, ValueError) as e:
                raise AssertionError(f"{self.folder}: {e!r}") from None

    def _look(self, scratch):
        found = Found()
        self.store = reader.Store(self.folder, self.identity, scratch)
        self.end = ".age" if self.store.encrypted else ""
        if (self.folder / "index").is_dir():
            self.store.read_indexes()
        self._index_names(found)
        for path in sorted(self.folder.glob(f"points/*/*/manifest.json{self.end}")):
            found.points[path.parent.name] = self._point(path, Path(scratch) / "disk")
        files = {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}
        assert self.named <= files, f"not there: {self.named - files}"
        found.strays = files - self.named
        return found

    def _index_names(self, found):
        """Each index with its pack; and no content twice."""
        seen = {}
        for pack, (kind, *_) in self.store.packs.items():
            folder = "packs" if kind == 1 else "trees"
            self.named |= {f"index/{pack}.idx{self.end}", f"{folder}/{pack[:2]}/{pack}{self.end}"}
            text = self.store.get(f"index/{pack}.idx", self.store.metadata_file)[1]
            for at in range(88, len(text) - 32, 48):
                key = (kind, text[at:at + 32])
                if key in seen:
                    found.twice.append((seen[key], pack))
                seen[key] = pack

    def _point(self, path, out):
        text = path.read_bytes()
        if self.store.encrypted:
            text = reader.age(text, self.store.metadata_file)
        doc = json.loads(text)["manifest"]
        self.named.add(str(path.relative_to(self.folder)))
        packs = base64.b64decode(doc["packs"])
        self._packs(path, [packs[at:at + 16].hex() for at in range(0, len(packs), 16)])
        disks = {}
        for a in doc["artifacts"]:
            for o in a.get("objects", []):
                self._object(path.parent / o["name"], o)
            if "root" in a:
                disks[a["name"]] = self._disk(a, out)
        return disks

    def _packs(self, path, named):
        """What a manifest names, and what the content of that was moved to; gone is only what was moved."""
        todo, seen = list(named), set(named)
        while todo:
            pack = todo.pop()
            moved = {p.name for p in (self.folder / "moved" / pack).glob("*")}
            self.named |= {f"moved/{pack}/{new}" for new in moved}
            assert pack in self.store.packs or moved or pack not in named, f"{path} names a pack that has no index"
            todo += moved - seen
            seen |= moved

    def _object(self, path, o):
        data = path.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (o["stored_bytes"], o["sha256"]), f"{path} is damaged"
        self.named.add(str(path.relative_to(self.folder)))

    def _disk(self, artifact, out):
        with out.open("w+b") as f:
            reader.rebuild(self.store, artifact["root"], f)
            f.seek(0)
            digest = hashlib.file_digest(f, "sha256").hexdigest()
            assert f.tell() == artifact["bytes"], f"{artifact['name']} has {f.tell()} bytes"
        return digest


def digests(disks):
    return {name: hashlib.sha256(content).hexdigest() for name, content in disks.items()}
