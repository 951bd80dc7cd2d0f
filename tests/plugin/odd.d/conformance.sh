# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What plugin.h promises, with a machine that can be captured.

it_conforms_to_the_contract()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    "$build/tests/plugin/plugin_conformance" libvirt uri=qemu+unix:///system?socket=/nowhere uri="$URI" -- m
    is_clean m "vda.qcow2 vdb.raw "
}
