# SPDX-License-Identifier: Apache-2.0
"""What the tests of the WebDAV driver share."""

import remotelib
import s3proxy

PART = 1 << 20


class Case(remotelib.Case):
    make_server = remotelib.Dav

    def command(self, *arguments, **options):
        return super().command(*arguments, **{"part_bytes": PART} | options)

    def proxy(self, **how):
        """From now on the driver talks to it."""
        proxy = s3proxy.Proxy(self.server, **how)
        self.addCleanup(proxy.close)
        self.port = proxy.port
        return proxy
