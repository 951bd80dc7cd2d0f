# SPDX-License-Identifier: Apache-2.0
"""pitfalls.py - what surprises clients of this API, and the cases that fail when the plugin is naive about it.

Named as the documentation of the API lets one expect it; the case is that of GROUP.py. That each exists is tested, so that none goes
unseen.
"""
import importlib

from common import NAME, Site, back, dump, folder, site_with_a_snapshot
from schema import decode

PITFALLS = {
    # ---- transport
    "no 100 Continue comes": ["transport.no_wait_for_100_continue"],
    "no body with GET and DELETE": ["transport.parameters_of_get_and_delete_stand_in_the_query"],
    "a connection ends after 5 s, 100 requests, any error": [
        "captures.a_warm_connection_is_used_for_the_post", "captures.an_idle_connection_is_not_used_for_the_post",
        "transport.a_connection_is_given_up_after_100_requests", "transport.a_kept_connection_that_dies_sends_a_post_once"],
    "a 401 comes 3 s late": ["transport.a_late_401_is_a_refusal_and_no_timeout"],
    "596 after 30 s, and the work goes on": ["captures.a_596_of_the_post_begins_no_second_snapshot", "transport.gets_are_repeated_after_59x",
                                             "guest.a_freeze_that_takes_long_ends_thawed", "guest.a_freeze_that_comes_late_is_thawed_as_well"],
    "a host is gone without a word": ["transport.a_host_that_answers_no_more_does_not_use_up_the_hold",
                                      "transport.a_connection_that_is_dead_without_a_word_is_replaced"],
    # ---- who we are
    "a token has rights of its own": ["vms.a_missing_right_is_named_with_its_command"],
    "new tokens and rights arrive late": ["transport.a_new_token_may_take_some_seconds_to_arrive", "transport.a_first_403_is_asked_once_more",
                                          "transport.inside_the_hold_no_403_is_waited_for"],
    "what only root may is refused to tokens of root": ["pitfalls.nothing_is_asked_for_that_only_root_may"],
    # ---- answers
    "500 is every ordinary refusal": ["vms.a_vm_that_migrates_is_found_again", "transport.the_reason_phrase_is_read_where_the_body_has_no_message"],
    "after a 5xx of a POST its task may run": ["captures.an_unclear_500_begins_no_second_snapshot", "captures.a_lost_answer_begins_no_second_snapshot",
                                              "vzdump.an_unclear_answer_begins_no_second_backup"],
    "a 500 may pass": ["vzdump.a_refusal_that_passes_does_not_end_the_wait"],
    "a raw = or ; cuts a value": ["transport.values_are_encoded_whole"],
    # ---- the VM
    "names and states lag": ["vms.a_vm_without_a_name_is_found_by_number", "vms.a_name_is_warned_of_while_a_node_tells_none"],
    "a lock fails the task, not the POST": ["captures.a_lock_is_seen_before_anything_is_held", "captures.a_task_that_fails_after_200_is_a_failure"],
    "a VM moves between two calls": ["vms.a_vm_that_migrates_is_found_again", "captures.a_task_of_another_time_is_not_taken_for_a_lost_one"],
    "a console is a task": ["vms.an_open_console_is_nobody_at_work"],
    # ---- snapshots
    "replication bars a deletion": ["captures.a_replication_is_waited_for_by_a_deletion"],
    "a freeze that failed is a line only": ["aftermath.a_freeze_that_failed_is_warned_of", "aftermath.a_guest_that_the_task_left_frozen_is_thawed",
                                            "aftermath.a_freeze_that_failed_without_a_word_is_found_out"],
    "frozen before: thawed by old servers, left by new ones": ["aftermath.a_guest_that_was_frozen_before_is_left_to_whoever_froze_it",
                                                               "quiet.a_freeze_of_its_own_is_no_warning"],
    "a snapshot task is never stopped": ["captures.the_deadline_releases_and_the_task_is_not_stopped"],
    "a call of the agent makes the task's freeze be skipped": ["captures.no_agent_call_while_the_task_freezes",
                                                               "quiet.with_dead_men_armed_the_agent_is_left_alone_until_the_task_ended"],
    "a snapshot is no copy elsewhere": ["pitfalls.a_snapshot_is_never_told_to_be_a_copy_elsewhere"],
    # ---- tasks
    "a purged task's log is a line that says so": ["captures.a_purged_task_is_an_error_and_no_success"],
    "an empty log has a line": ["captures.no_content_does_not_move_the_cursor"],
    # ---- vzdump
    "200 OK on the wrong node, and nothing happens": ["vzdump.a_200_without_a_task_is_a_failure"],
    "remove=1 prunes those of others": ["vzdump.older_backups_of_others_stay_and_the_retention_does_not_count"],
    "the thaw line is not the instant": ["vzdump.a_job_that_fails_after_the_thaw_line_is_no_instant",
                                         "vzdump.begin_returns_at_the_line_and_neither_at_the_thaw_nor_at_the_end", "vzdump.without_an_agent_it_is_the_same_line"],
    "several disks without a freeze are several instants": ["vzdump.several_disks_without_a_freeze_are_refused",
                                                            "vzdump.a_vm_that_was_started_meanwhile_needs_a_freeze_as_well"],
    "before 9.1 a freeze fails without a word": ["vzdump.a_freeze_that_may_fail_without_a_word_is_not_relied_on"],
    "no hook of vzdump marks the instant": ["pitfalls.nothing_is_asked_for_that_only_root_may"],  # a script is root's
    # ---- new VMs
    "a restore that failed leaves an empty VM": ["machines.why_a_copy_failed_is_told", "machines.an_empty_vm_of_somebody_else_is_not_deleted",
                                                 "machines.a_vm_that_was_made_after_our_restore_failed_is_not_deleted"],
    "one that was killed leaves its lock, which is root's to remove": ["machines.a_lock_that_a_dead_restore_left_is_named_and_never_removed"],
    "volumes of the number become the VM's, and go with it": ["machines.a_number_with_volumes_of_somebody_is_not_taken",
                                                              "machines.a_volume_that_came_later_is_not_deleted_with_it"],
    "a free number is not reserved": ["machines.a_number_that_is_taken_in_between_is_another_s", "machines.two_runs_with_one_number_do_not_undo_each_other",
                                      "restore_program.interrupted_it_does_not_end_another_run_s_copy"],
    "purge=1 takes a number out of the jobs of others": ["machines.destroyed_it_is_gone_with_its_disks"],
    "force=1 deletes the VM that is there": ["machines.the_request_says_what_may_never_be_said"],
    "links are up until somebody cuts them": ["machines.links_are_down_from_the_first_moment",
                                              "machines.links_that_somebody_put_up_are_down_again_before_the_start"],
    "a VM that is protected cannot be deleted": ["machines.it_neither_starts_with_the_node_nor_resists_deletion"],
    "args, hookscript and devices are root's, also to take out": ["machines.what_a_token_cannot_take_out_is_refused"],
    "a CD whose image is gone keeps a VM from starting": ["machines.a_cd_that_is_not_here_is_taken_out"],
    # ---- the agent
    "an error inside a 200": ["guest.an_error_inside_a_200_is_an_error"],
    "a long freeze answers 596 and goes on": ["guest.a_freeze_whose_answer_is_lost_ends_thawed", "guest.a_freeze_that_never_returns_is_left_with_words"],
    "text is bytes, each widened": ["guest.bytes_of_the_guest_come_back_as_they_were", "guest.a_character_that_is_no_byte_is_refused"],
    # ---- storages
    "a storage's state waits for all of them": ["datastores.no_storage_is_asked_for_it_so_a_dead_one_stalls_nobody",
                                                "datastores.nothing_of_storages_is_asked_inside_the_hold"],
    "no call downloads a vzdump file": ["pitfalls.no_archive_is_asked_to_be_downloaded"],
}


def every_pitfall_has_its_test(site):
    for pitfall, cases in PITFALLS.items():
        for case in cases:
            group, _, name = case.partition(".")
            assert hasattr(importlib.import_module(group), name), f"{pitfall}: {case} is not there"


def everything(here):
    """One of each, in which something is locked, fails, and is undone."""
    site_with_a_snapshot(here)
    here.world.faults["start-fails"] = 1
    back(here)
    here.good("undo", "db1", f"{folder.name}/back")
    here.good("delete", "db1", NAME)
    assert dump(here)[0] == 0
    here.good("discard", "100", NAME, f"{folder.name}/undo")
    here.vm.lock = here.vm.config["lock"] = "snapshot-delete"
    here.capture(limit=4000)
    here.drive("discard", "100", NAME)
    return [name for r in here.world.requests for name in (*decode(r[3].partition("?")[2]), *decode(r[4]))]


def nothing_is_asked_for_that_only_root_may(site):
    roots = {"skiplock", "job-id", "script", "dumpdir", "tmpdir", "bwlimit", "ionice", "performance", "force", "stop"}
    for here in (site, Site(new=False)):
        asked = set(everything(here))
        assert {"snapname", "notes-template"} <= asked and not asked & roots, asked
        assert here.vm.lock == "snapshot-delete", "a lock of others is never removed"


def a_snapshot_is_never_told_to_be_a_copy_elsewhere(site):
    text = site.good("find", "db1")
    assert "can=" in text, text
    can = int(text.split("can=")[1].split()[0], 16)
    assert not can & (1 << 3 | 1 << 4 | 1 << 5), "no export without a backup storage"


def no_archive_is_asked_to_be_downloaded(site):
    assert "download" not in everything(site)
    assert not [r for r in site.world.requests if "file-restore" in r[2]]
