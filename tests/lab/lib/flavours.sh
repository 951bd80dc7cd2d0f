# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
#
# The guests that there are. "image" builds them, "lab" boots them.

declare -A SUITES=([mariadb]=bookworm [mysql]=sid [wordpress]=bookworm)
# The directories of guest/ that make one, in this order. The second names its server, and its server's unit.
declare -A LAYERS=([mariadb]="common mariadb" [mysql]="common mysql" [wordpress]="common mariadb wordpress")
FLAVOURS='mariadb, mysql or wordpress'

# server_of FLAVOUR
server_of() { cut -d ' ' -f 2 <<<"${LAYERS[$1]}"; }
