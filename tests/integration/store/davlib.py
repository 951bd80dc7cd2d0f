# SPDX-License-Identifier: Apache-2.0
"""What the tests of the WebDAV driver share."""

import os
import shutil
import subprocess

import remotelib
import s3proxy
from swiftlib import runlib

PART = 1 << 20

MODULES = ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_fs")
APACHE = """
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {dir}/pid
ErrorLog {dir}/log
ServerRoot {dir}
DocumentRoot {root}
User www-data
{modules}
DavLockDB {dir}/locks/db
<Directory {root}>
Dav On
AuthType Basic
AuthName holdfast
AuthUserFile {dir}/users
Require valid-user
</Directory>
"""


class Apache(remotelib.Dav):
    """One process (-X), which goes as a whole when it is killed."""

    CACHE_S = 0

    def command(self):
        runlib.need("apache2", "apache2")
        if os.geteuid() != 0:
            runlib.missing("apache2", "only root can start it")
        modules = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in MODULES)
        (self.dir / "conf").write_text(APACHE.format(port=self.port, dir=self.dir, root=self.root, modules=modules))
        digest = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=remotelib.PASSWORD, capture_output=True, text=True,
                                check=True).stdout
        (self.dir / "users").write_text(f"{remotelib.USER}:{digest}")
        (self.dir / "locks").mkdir()
        self.dir.chmod(0o755)
        for path in (self.dir / "locks", self.root, *self.root.iterdir()):
            shutil.chown(path, "www-data")
        return [runlib.program("apache2"), "-X", "-f", self.dir / "conf"]

    def url(self, folder, port=None):
        return super().url(folder, port).replace("davs://", "dav://")

    def options(self):
        return super().options() | {"ca": None}

    def new_folder(self):
        folder = super().new_folder()
        shutil.chown(folder, "www-data")
        return folder


class Case(remotelib.Case):
    make_server = remotelib.Dav

    def command(self, *arguments, **options):
        return super().command(*arguments, **{"part_bytes": PART, "stall_ms": 10000} | options)

    def proxy(self, **how):
        """From now on the driver talks to it."""
        proxy = s3proxy.Proxy(self.server, **how)
        self.addCleanup(proxy.close)
        self.port = proxy.port
        return proxy
