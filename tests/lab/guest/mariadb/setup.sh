# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# What common/customize does for this flavour: $root is the guest.

prepare_server() { :; }   # the package did it

# init_database SQL
init_database()
{
    chroot "$root" mariadbd --user=mysql --skip-log-bin --bootstrap <<<"$1"
}

keep_for_host() { :; }   # the host has this server itself
