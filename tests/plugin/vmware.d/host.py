# SPDX-License-Identifier: Apache-2.0
"""host.py - the same before a standalone host, whose managers have other names: what differs most, of each group."""
import captures
import guest
import rollbacks
import transport
from common import Site

CASES = [captures.begin_returns_when_the_task_has_ended_and_soon, captures.a_lost_answer_begins_no_second_snapshot,
         captures.a_session_that_is_lost_while_the_task_runs_is_renewed, captures.the_deadline_releases_and_the_task_is_not_stopped,
         captures.missing_privileges_are_named_before_anything_is_held, captures.a_deletion_that_leaves_deltas_is_mended,
         captures.the_list_has_the_tree, guest.programs_run_and_tell, guest.files_go_both_ways_byte_for_byte,
         rollbacks.goes_back_and_runs, rollbacks.a_second_undo_does_not_go_back_again, transport.a_lost_session_is_renewed_and_the_question_asked_again]


def a_host_is_no_other_than_a_vcenter(site):
    for case in CASES:
        host = Site(esx=True)
        try:
            case(host)
            host.judge()
        except Exception as error:
            raise AssertionError(case.__name__) from error
        finally:
            host.server.close()
