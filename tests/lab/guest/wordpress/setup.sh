# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# What common/customize does for this flavour beside the server's: $root is the guest.

# A web server without a site: ../../site makes one, or holdfast restores it.
prepare_application()
{
    chroot "$root" a2dissite -q cmdb >/dev/null
    rm -r "$root/var/www/cmdb" "$root/etc/apache2/sites-available/cmdb.conf"
    chroot "$root" a2enconf -q lab >/dev/null
}
