# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Where Debian's packages come from: from where this machine's own come from, so that no mirror is
# named in the repository.

# debian_sources SUITE: sources of exactly that suite and its updates, as the machine has them.
debian_sources()
{
    # shellcheck disable=SC2016  # the $(…) are apt's
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' |
        awk -v suite="$1" '$1 == "Debian" && index($3, suite) == 1 && $4 == "main" {
            print "deb", $2, $3, $4 }'
}

# debian_mirror: for a suite that the machine itself does not use.
debian_mirror()
{
    # shellcheck disable=SC2016  # the $(…) are apt's
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

# Proxy and validity settings of the host's apt, as mmdebstrap options, one per line.
apt_options()
{
    apt-config dump --no-empty --format '%F "%v";%n' |
        grep -E '^Acquire::((http|https)::Proxy|Check-Valid-Until|Check-Date|ForceIPv4)' |
        sed 's/^/--aptopt=/' || true
}
