# SPDX-License-Identifier: Apache-2.0
"""A real web application in a guest of flavour wordpress: made, used by many at once, and judged.

    install(guest)                          a site with content and a cron job that writes (tests/lab/site)
    with Clicks(guest, users=3) as clicks:  users who read, post and upload until the block ends
        ...
    judge(guest)                            whether database, files and pages agree: a Verdict
    clicks.missing(judge(other))            what was acknowledged to a user and is not there

A guest is its name in the lab (None: the one that hf.py means). All content proves itself, whoever made it
(site-files/…/content.php in tests/lab does the same): a post "entry TOKEN" carries the SHA-256 of its token,
an upload has that of its bytes as the title of its row. So the same judge reads restored data in another guest.

What a site consists of, for an archive and a dump, is named by PATHS, SCHEMA and ACCOUNT; SERVICES write to it.
Debian's cron.service leaves running jobs alone when it stops: JOB is what to look for then. Its apache2.service
does not wait for requests when it stops; the guest has a drop-in that does (apache2.service.d/graceful.conf).
"""

import collections
import hashlib
import http.client
import json
import random
import re
import secrets
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from hf import SOURCE, lab, lab_env

PATHS = ("/etc/wordpress", "/etc/apache2", "/etc/php", "/etc/cron.d/hf-site", "/usr/local/lib/hf-site", "/var/lib/wordpress")
SCHEMA = "wordpress"
ACCOUNT = "wordpress@localhost"
SERVICES = ("apache2", "cron")
JOB = "/usr/local/lib/hf-site/job.php"
UPLOADS = "/var/lib/wordpress/wp-content/uploads"

MAX_BODY = 16 << 20  # of an answer; the guest is not trusted with our memory
MAX_LISTS = 100  # of 100 rows each
# What the application does with a request that meets a service at rest, or half of an answer.
FAILED = (OSError, http.client.HTTPException)


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def ssh(guest, script, check=True):
    """A shell script in the guest as root; its standard output."""
    return lab("ssh", *(["-d", guest] if guest else []), "bash", "-s", input=script, check=check)


def installed(guest=None):
    return ssh(guest, "test -e /etc/cron.d/hf-site && echo yes", check=False).strip() == "yes"


def install(guest=None):
    """Makes the site, unless there is one."""
    if not installed(guest):
        command = [SOURCE / "tests/lab/site", *(["-d", guest] if guest else [])]
        p = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if p.returncode != 0:
            raise RuntimeError(f"no site: {p.stdout}{p.stderr}")


def run_job(guest=None):
    """What cron does once a minute, now."""
    ssh(guest, f"runuser -u www-data -- php {JOB}")


class Visitor:
    """A browser: cookies, no proxy, bounded answers. Errors are those of FAILED."""

    def __init__(self, guest=None, timeout_s=30):
        self.base = f"http://127.0.0.1:{lab_env(guest)['HTTP_PORT']}"
        self.timeout_s = timeout_s
        self.nonce = None
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())

    def ask(self, path, data=None, headers=None):
        """Headers and body of an answer."""
        request = urllib.request.Request(self.base + path, data=data, headers=headers or {})
        with self.opener.open(request, timeout=self.timeout_s) as answer:
            return answer.headers, answer.read(MAX_BODY)

    def page(self, path):
        return self.ask(path)[1]

    def rest(self, route, data=None, kind="application/json", headers=None, **query):
        """Headers and JSON of an answer of WordPress's REST interface."""
        query = urllib.parse.urlencode({"rest_route": f"/wp/v2/{route}", **query})
        headers = dict(headers or {})
        if data is not None:
            headers |= {"Content-Type": kind, "X-WP-Nonce": self.nonce}
        answer, body = self.ask(f"/?{query}", data, headers)
        try:
            return answer, json.loads(body)
        except ValueError as e:
            raise http.client.HTTPException(f"{route}: no JSON: {body[:80]}") from e

    def login(self, user, password):
        """As through the form; where it leads to tells what writing takes."""
        form = {"log": user, "pwd": password, "redirect_to": "/wp-admin/admin-ajax.php?action=rest-nonce"}
        body = self.ask("/wp-login.php", urllib.parse.urlencode(form).encode())[1]
        if not re.fullmatch(rb"[0-9a-f]{10}", body):
            raise http.client.HTTPException("not logged in")
        self.nonce = body.decode()

    def add_post(self, token):
        """Its row's number."""
        content = f"<p>{token}</p><p>{sha256(token)}</p>"
        post = {"title": f"entry {token}", "content": content, "status": "publish"}
        return self.rest("posts", json.dumps(post).encode(), _fields="id")[1]["id"]

    def add_upload(self, name, data):
        """Its name below UPLOADS."""
        answer = self.rest("media", data, "text/plain", {"Content-Disposition": f'attachment; filename="{name}"'},
                           title=sha256(data), _fields="source_url")[1]
        return below_uploads(answer["source_url"])

    def list(self, route, fields):
        """All rows of a kind, as the application has them."""
        rows = []
        for page in range(1, MAX_LISTS + 1):
            headers, part = self.rest(route, per_page=100, page=page, orderby="id", order="asc", _fields=fields)
            rows += part
            if page >= int(headers["X-WP-TotalPages"]):
                return rows
        raise RuntimeError(f"more than {100 * MAX_LISTS} {route}")


def below_uploads(url):
    return url.partition("/wp-content/uploads/")[2]


@dataclass
class Verdict:
    """What does not agree with what, in words; and what there is."""

    rows_without_file: list = field(default_factory=list)
    files_without_row: list = field(default_factory=list)
    wrong_bytes: list = field(default_factory=list)  # files that are not what their row says
    wrong_pages: list = field(default_factory=list)  # where the application does not answer what the database holds
    posts: dict = field(default_factory=dict)  # number -> token
    uploads: dict = field(default_factory=dict)  # name below UPLOADS -> digest, of rows that have their file

    FINDINGS = ("rows_without_file", "files_without_row", "wrong_bytes", "wrong_pages")

    @property
    def equal(self):
        return not any(getattr(self, f) for f in self.FINDINGS)

    def __str__(self):
        found = {f: getattr(self, f)[:10] for f in self.FINDINGS if getattr(self, f)}
        return f"{len(self.posts)} posts, {len(self.uploads)} uploads, {found or 'all of it agrees'}"


def rows_of(guest):
    """Posts and attachments in the database: (number, kind, title, file, content)."""
    statement = ("SELECT p.ID, p.post_type, p.post_title, IFNULL(m.meta_value, ''), p.post_content FROM wp_posts p"
                 " LEFT JOIN wp_postmeta m ON m.post_id = p.ID AND m.meta_key = '_wp_attached_file'"
                 " WHERE p.post_type = 'attachment' OR (p.post_type = 'post' AND p.post_status = 'publish') ORDER BY p.ID")
    out = lab("sql", "-u", "root", *(["-d", guest] if guest else []), "-BN", SCHEMA, "-e", statement)
    return [(int(r[0]), *r[1:]) for r in (line.split("\t") for line in out.splitlines())]


def files_of(guest):
    """Digests of the files below the uploads, by name."""
    out = ssh(guest, f"cd {UPLOADS} && find . -type f -print0 | xargs -0 -r sha256sum -z")
    return {name[2:]: digest for digest, name in (r.split("  ", 1) for r in out.split("\0") if r)}


def judge_uploads(verdict, rows, files):
    named = set()
    for number, _, title, name, _ in rows:
        named.add(name)
        if name not in files:
            verdict.rows_without_file.append(f"{number} {name}")
        elif files[name] != title:
            verdict.wrong_bytes.append(name)
        else:
            verdict.uploads[name] = title
    verdict.files_without_row += sorted(set(files) - named)


def judge_posts(verdict, rows):
    for number, _, title, _, content in rows:
        token = title.removeprefix("entry ")
        verdict.posts[number] = token
        if token == title or sha256(token) not in content:
            verdict.wrong_pages.append(f"post {number}: not whole in the database")


def judge_lists(verdict, visitor, attached):
    """The application's own view of all rows against the database's."""
    posts = {r["id"]: r for r in visitor.list("posts", "id,title,content")}
    for number in sorted(set(posts) | set(verdict.posts)):
        token, row = verdict.posts.get(number, ""), posts.get(number)
        if not row or row["title"]["rendered"] != f"entry {token}" or sha256(token) not in row["content"]["rendered"]:
            verdict.wrong_pages.append(f"post {number}: the application has another one or none")
    media = {(r["id"], below_uploads(r["source_url"]), r["title"]["rendered"])
             for r in visitor.list("media", "id,title,source_url")}
    wrong = media ^ {(number, name, title) for number, _, title, name, _ in attached}
    verdict.wrong_pages += [f"upload {number} {name}: database and application differ" for number, name, _ in sorted(wrong)]


def spread(things, n):
    """At most n of them, the first and the last always among them."""
    things = list(things)
    return things if len(things) <= n else [things[i * (len(things) - 1) // max(1, n - 1)] for i in range(n)]


def judge_pages(verdict, visitor, sample):
    """Pages as a reader gets them, and uploads by their address."""
    wanted = [(f"/?p={number}", lambda b, t=token: sha256(t).encode() in b)
              for number, token in spread(verdict.posts.items(), sample)]
    wanted += [(f"/wp-content/uploads/{urllib.parse.quote(name)}", lambda b, d=digest: sha256(b) == d)
               for name, digest in spread(verdict.uploads.items(), sample)]
    wanted.append(("/", lambda b: b"entry " in b or not verdict.posts))
    for path, is_right in wanted:
        try:
            if not is_right(visitor.page(path)):
                verdict.wrong_pages.append(f"{path}: another content")
        except FAILED as e:
            verdict.wrong_pages.append(f"{path}: {e}")


def look(guest, sample):
    """One look. Rows before files: WordPress writes a file before its row."""
    verdict, visitor = Verdict(), Visitor(guest)
    rows = rows_of(guest)
    attached = [r for r in rows if r[1] == "attachment"]
    judge_uploads(verdict, attached, files_of(guest))
    judge_posts(verdict, [r for r in rows if r[1] == "post"])
    try:
        judge_lists(verdict, visitor, attached)
    except FAILED as e:
        verdict.wrong_pages.append(f"lists: {e}")
    judge_pages(verdict, visitor, sample)
    return verdict


def judge(guest=None, sample=5):
    """Reads the site through database, files and application. Services have to run. Somebody (cron) may write
    meanwhile: what does not agree is looked at again, and counts when it is the same then."""
    first = look(guest, sample)
    if first.equal:
        return first
    time.sleep(3)
    again = look(guest, sample)
    for f in Verdict.FINDINGS:
        setattr(again, f, [x for x in getattr(again, f) if x in getattr(first, f)])
    return again


class Clicks:
    """Users who click all the time, until stop(), `seconds` or `limit` clicks each; one login each. Services at rest
    mean errors, which are counted and tried again. `wrong` has answers that came, but with another content."""

    def __init__(self, guest=None, users=3, seconds=900, limit=5000):
        self.guest = guest
        self.password = ssh(guest, "cat /etc/wordpress/author").strip()
        self.deadline = time.monotonic() + seconds
        self.limit = limit
        self.done = {"login": 0, "read": 0, "download": 0, "post": 0, "upload": 0}
        self.errors = collections.Counter()  # what was said -> how often
        self.wrong = []
        self.posts = {}  # acknowledged to a user: number -> (token, when, ns since the epoch)
        self.uploads = {}  # the same: name -> (digest, when)
        self.lock = threading.Lock()
        # WordPress reads, changes and writes the list of a user's sessions: of two logins at once one is lost.
        self.door = threading.Lock()
        self.enough = threading.Event()
        self.threads = [threading.Thread(target=self.user, daemon=True) for _ in range(users)]

    def start(self):
        for t in self.threads:
            t.start()
        return self

    def stop(self):
        """Ends all users after their click, and says what succeeded."""
        self.enough.set()
        for t in self.threads:
            t.join(timeout=120)
        assert not any(t.is_alive() for t in self.threads), "a user does not end"
        return {**self.done, "errors": self.errors.total(), "wrong": len(self.wrong)}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def wait_for(self, within_s=120, **more):
        """Until that many more of each kind succeeded: wait_for(post=3, upload=3)."""
        end = time.monotonic() + within_s
        want = {kind: self.done[kind] + n for kind, n in more.items()}
        while any(self.done[kind] < n for kind, n in want.items()):
            if time.monotonic() > end or not any(t.is_alive() for t in self.threads):
                raise RuntimeError(f"the users got no further than {self.done}: {self.errors.most_common(3)} {self.wrong[:3]}")
            time.sleep(0.1)

    def missing(self, verdict, before_ns=None):
        """What was acknowledged (before an instant), and is not in the judged site as it was."""
        until = before_ns or time.time_ns()
        return ([f"post {n}" for n, (token, at) in self.posts.items() if at < until and verdict.posts.get(n) != token] +
                [n for n, (digest, at) in self.uploads.items() if at < until and verdict.uploads.get(n) != digest])

    def user(self):
        visitor = Visitor(self.guest)
        for _ in range(self.limit):
            if self.enough.is_set() or time.monotonic() > self.deadline:
                return
            try:
                self.click(visitor)
            except FAILED as e:
                with self.lock:
                    self.errors[str(e)[:100]] += 1
                if isinstance(e, urllib.error.HTTPError) and e.code in (401, 403):
                    visitor.nonce = None
                self.enough.wait(0.5)

    def click(self, visitor):
        if not visitor.nonce:
            with self.door:
                visitor.login("author", self.password)
            kind = "login"
        else:
            kind = random.choice(("read", "read", "download", "post", "upload"))
            getattr(self, kind)(visitor)
        with self.lock:
            self.done[kind] += 1

    def read(self, visitor):
        with self.lock:
            chosen = random.choice(list(self.posts.items())) if self.posts else None
        number, token = (chosen[0], chosen[1][0]) if chosen else (None, "")
        body = visitor.page(f"/?p={number}" if number else "/")
        self.check(b"entry " in body and (not number or sha256(token).encode() in body), f"post {number}")

    def download(self, visitor):
        with self.lock:
            chosen = random.choice(list(self.uploads.items())) if self.uploads else None
        if chosen:
            body = visitor.page(f"/wp-content/uploads/{urllib.parse.quote(chosen[0])}")
            self.check(sha256(body) == chosen[1][0], chosen[0])

    def post(self, visitor):
        token = f"user{secrets.token_hex(8)}"
        number = visitor.add_post(token)
        with self.lock:
            self.posts[number] = (token, time.time_ns())

    def upload(self, visitor):
        token = f"user{secrets.token_hex(8)}"
        data = f"{token}\n".encode() * random.randint(1, 2000)
        name = visitor.add_upload(f"{token}.txt", data)
        with self.lock:
            self.uploads[name] = (sha256(data), time.time_ns())

    def check(self, is_right, what):
        if not is_right:
            with self.lock:
                self.wrong.append(what)
