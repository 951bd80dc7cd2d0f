# SPDX-License-Identifier: Apache-2.0
"""pitfalls.py - what surprises clients of this API, and the cases that fail when the plugin is naive about it.

The case is that of GROUP.py; of test_vmware_GROUP.c for the groups tree, vmdk and written; of a test of tests/guest for the group guest_vmware. That each
exists is tested, so that none goes unseen.
"""
import importlib
import os
import re

from common import HERE

PITFALLS = {
    # ---- transport
    "without a SOAPAction the oldest dialect is spoken": ["transport.the_newest_common_dialect_is_spoken", "stand_in.wrong_requests_are_refused"],
    "a dialect that is newer than the server is a fault": ["transport.the_newest_common_dialect_is_spoken",
                                                           "transport.a_server_without_a_common_dialect_is_refused"],
    "500 is every fault, and its body tells": ["tree.faults_have_the_class_that_a_caller_acts_on", "transport.a_wrong_password_is_one_log_in"],
    "other states are no answers": ["transport.hostile_answers_are_errors_in_bounded_time"],
    "elements have an order": ["stand_in.wrong_arguments_are_refused"],
    "an abstract argument says its type": ["stand_in.wrong_arguments_are_refused"],
    "the prefix of xsi:type differs": ["tree.types_are_read_in_any_order_and_with_any_prefix", "transport.the_shape_of_an_answer_does_not_matter"],
    "two attributes are called type, in either order": ["tree.types_are_read_in_any_order_and_with_any_prefix",
                                                        "transport.the_shape_of_an_answer_does_not_matter"],
    "entities, depth and size are the server's to choose": ["tree.an_answer_with_a_dtd_is_refused", "tree.depth_is_bounded", "tree.size_is_bounded",
                                                            "transport.hostile_answers_are_errors_in_bounded_time"],
    # ---- who we are
    "a host's managers have other names": ["vms.a_host_has_its_own_names_for_everything", "host.a_host_is_no_other_than_a_vcenter"],
    "a log-in with a live cookie looks like a wrong password": ["stand_in.a_second_log_in_on_a_live_session_looks_like_a_wrong_password",
                                                                "transport.a_log_in_again_carries_no_cookie"],
    "a user has a domain": ["transport.passwords_are_in_no_output_and_users_are_told_of_their_domain"],
    "sessions end by idling": ["transport.a_lost_session_is_renewed_and_the_question_asked_again", "captures.a_session_that_is_lost_at_the_request_is_another_try",
                               "captures.a_session_that_is_lost_while_the_task_runs_is_renewed", "export.a_session_that_idled_during_a_long_dump_is_renewed",
                               "transport.a_server_that_loses_each_session_ends_in_an_error"],
    "sessions are few, and stay": ["transport.the_session_is_ended_after_errors_too", "transport.a_log_out_that_hangs_costs_seconds"],
    "a restart forgets sessions, tasks and filters": ["transport.a_vcenter_that_is_started_again_while_we_work_is_no_end",
                                                      "captures.a_server_that_is_restarted_while_the_task_runs_costs_time_only"],
    "a server that comes up refuses log-ins for a while": ["rollbacks.a_log_in_that_fails_while_a_server_comes_up_leaves_no_vm_off"],
    # ---- finding
    "not found is an empty answer": ["vms.found_by_path_name_and_uuid"],
    "a slash in a name is %2f": ["vms.escapes_in_names_are_those_of_vsphere"],
    "BIOS UUIDs are cloned": ["vms.the_bios_uuid_is_none_of_its_names"],
    "instance UUIDs are given anew, or not told yet": ["captures.one_that_was_given_another_uuid_is_still_it",
                                                       "captures.one_whose_settings_are_not_read_yet_is_not_taken_for_gone",
                                                       "program.a_deletion_that_died_is_not_done_because_its_vm_is_not_found_now"],
    "names are unique in a folder only": ["vms.a_name_that_two_have_is_refused_and_both_are_named"],
    "lists come in pages": ["vms.every_page_is_read"],
    "a view stays until it is given back": ["vms.a_view_is_given_back"],
    "an identifier may hold anything": ["tree.what_is_asked_comes_back_as_it_was"],
    "what is not set is absent, or nil": ["transport.an_unset_property_may_be_nil", "tree.an_unset_value_is_absent"],
    "what may not be read is absent, too": ["transport.a_property_that_is_hidden_is_not_taken_for_unset"],
    # ---- tasks
    "a snapshot that fails is 200 twice": ["captures.a_task_that_fails_after_200_is_a_failure"],
    "a task may never end": ["captures.the_deadline_releases_and_the_task_is_not_stopped", "captures.a_task_that_never_ends_does_not_hold_the_undo_for_ever"],
    "giving up does not end the task": ["captures.the_deadline_releases_and_the_task_is_not_stopped", "captures.a_server_that_hangs_at_the_deadline_costs_no_more",
                                       "rollbacks.a_power_task_that_runs_on_is_waited_for_by_the_undo"],
    "a lost answer says nothing about the task": ["captures.a_lost_answer_begins_no_second_snapshot", "captures.an_answer_that_says_nothing_begins_no_second_snapshot",
                                                  "transport.no_call_that_changes_something_is_sent_twice"],
    "a task that has ended is forgotten": ["captures.a_task_that_is_forgotten_is_looked_for_in_the_tree"],
    "TaskInProgress may pass": ["captures.a_vm_that_another_task_has_is_waited_for_within_the_hold", "captures.a_vm_that_another_task_keeps_is_given_up_in_time",
                                "captures.a_deletion_that_met_another_task_comes_back"],
    "no news is an empty answer": ["captures.few_requests_are_made_while_it_is_held", "captures.without_a_filter_the_task_is_polled"],
    "a connection costs what the hold has not": ["pitfalls.the_hold_opens_no_connection"],
    # ---- snapshots
    "names repeat": ["captures.of_two_with_one_name_ours_goes", "captures.a_name_that_is_taken_is_refused"],
    "a % in a name is %25": ["captures.names_that_vsphere_would_write_otherwise_are_refused"],
    "memory costs seconds": ["captures.neither_memory_nor_quiescing_is_asked_for", "captures.one_with_memory_is_seen_and_never_rolled_back_to"],
    "children go with their parent unless they are spared": ["captures.children_stay_when_their_parent_goes"],
    "what is deleted twice is not found": ["captures.a_snapshot_that_went_meanwhile_is_deleted"],
    "a deletion takes hours": ["captures.a_deletion_may_take_its_time_and_its_answer_may_be_lost"],
    "delta files stay without a word": ["captures.a_deletion_that_leaves_deltas_is_mended", "captures.deltas_that_stay_are_an_error",
                                        "captures.disks_that_need_consolidation_are_refused"],
    "old servers cannot consolidate": ["captures.where_disks_cannot_be_consolidated_that_is_said"],
    "a chain has its end": ["captures.a_full_chain_is_refused_before_anything_is_held"],
    "snapshots of others carry their increments": ["captures.what_others_made_is_not_deleted", "rollbacks.only_snapshots_of_ours"],
    "independent disks and raw devices are left out": ["captures.independent_disks_are_a_warning", "vms.independent_disks_are_left_out_and_said_to_be",
                                                       "vms.a_raw_device_in_physical_mode_is_left_out", "export.disks_that_a_snapshot_leaves_out_are_told_and_not_read"],
    "shared buses and passed-through devices forbid them": ["vms.devices_that_forbid_a_snapshot_are_found_before"],
    "reverted it is off": ["rollbacks.goes_back_and_runs", "rollbacks.a_vm_that_is_off_stays_off"],
    # ---- quiescing
    "without Tools it is left out without a word": ["captures.a_quiescing_that_was_left_out_is_a_failure", "captures.tools_quiesce_when_asked_to"],
    "who writes into a frozen guest hangs": ["captures.a_guest_that_is_frozen_already_is_not_quiesced", "guest_vmware.test_quiesced_by_the_tools_too"],
    # ---- guests
    "an exit code of 0 is left out": ["guest.a_zero_that_is_left_out_is_a_zero"],
    "there is no output": ["guest.programs_run_and_tell"],
    "a URL's host may be *, and is shown no cookie": ["guest.files_go_both_ways_byte_for_byte", "guest.no_cookie_goes_with_a_transfer"],
    "Tools that run need not be ready": ["guest.tools_that_are_not_ready_yet_are_no_channel"],
    # ---- exports
    "a lease ends where nobody tells of progress": ["export.a_reader_that_is_slow_does_not_lose_the_lease",
                                                    "export.one_piece_that_takes_longer_than_the_lease_does_not_lose_it",
                                                    "export_program.a_store_that_is_slower_than_the_lease_lasts_does_not_lose_it"],
    "a lease that is left blocks the VM": ["export.interrupted_it_gives_the_lease_back_at_once", "export.a_capture_that_is_forgotten_gives_its_lease_back",
                                           "export.a_lost_answer_leaves_no_lease_to_others"],
    "the disks come from another host": ["export.a_host_of_another_ca_gets_no_request", "export.a_host_that_nobody_finds_is_named",
                                         "export.a_host_alone_sends_its_own_disks_to_its_own_session"],
    "no part of a stream is to be had": ["export.a_stream_that_breaks_off_is_asked_for_again_and_told_once"],
    "a stream that ends early looks like an end": ["vmdk.a_stream_that_is_cut_anywhere_is_refused", "vmdk.a_grain_that_is_missing_is_found_by_the_tables"],
    # ---- TLS
    "a password is sent before anybody has looked": ["transport.nobody_is_told_the_password_before_the_certificate_was_judged"],
    "a thumbprint is of the certificate, not of the key": ["transport.a_thumbprint_or_a_pin_will_do",
                                                           "transport.a_sha1_thumbprint_is_refused_with_the_way_to_a_better_one"],
    "a redirect takes credentials along": ["transport.no_redirect_is_followed", "export.what_an_error_page_says_is_told_and_no_redirect_followed"],
}


def names_of(group):
    """The cases of a group, of whichever kind."""
    kinds = ((os.path.join(HERE, f"../test_vmware_{group}.c"), r"HF_TEST\((\w+)\)"),
             (os.path.join(HERE, f"../../guest/{group.replace('guest_', 'test_')}.py"), r"def (test_\w+)"))
    for path, shape in kinds:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                return re.findall(shape, source.read())
    return vars(importlib.import_module(group))


def every_pitfall_has_its_test(site):
    for pitfall, cases in PITFALLS.items():
        for case in cases:
            group, _, name = case.partition(".")
            assert name in names_of(group), f"{pitfall}: {case} is not there"
    assert "no_such_case" not in names_of("tree") and "test_none" not in names_of("guest_vmware")


def the_hold_opens_no_connection(site):
    """Nor more than a dozen requests: from the one that makes the snapshot to the first one after the release."""
    site.fault("seconds", "createSnapshot", 7, times=-1)
    site.captured()
    requests = site.requests()
    methods = [r["method"] for r in requests]
    begin, end = methods.index("CreateSnapshot_Task"), methods.index("DestroyPropertyFilter")
    connections = {r["conn"] for r in requests[begin:end]}
    assert connections == {requests[begin - 1]["conn"]}, connections
    assert end - begin <= 12, methods[begin:end]
