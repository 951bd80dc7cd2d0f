/* SPDX-License-Identifier: Apache-2.0
 *
 * drill/judge.h - is the position that a server recovered to the one that was recorded? Pure.
 *
 * A server that starts opens a new binlog file, after it has recovered, whose head says which transactions came before (Gtid_list of
 * MariaDB, Previous_gtids of MySQL). So what it recovered to is the file before that one, to its end, and that set; what is
 * written afterwards does not matter. Without the right to ask for the files, the set of now has to do.
 *
 * With a position (B) file, size and set have to be those recorded: under the lock the disk's binlog ended there. With a bracket (A,
 * C, D, E) file and size have to lie in it: a server that was stopped wrote an event of its end. Where the file is gone because the server
 * threw old ones away when it started, the set alone decides, if there is one; a bracket has none.
 * Nothing recorded, or a binlog that is off on both sides: skipped, for it proves nothing.
 */
#ifndef HF_DRILL_JUDGE_H
#define HF_DRILL_JUDGE_H

#include "drill/checks.h"
#include "point/manifest.h"

/* What the server had when it was through with its recovery. */
struct hf_drill_recovered {
    bool has_binlog;
    struct hf_db_position at; /* file NULL: not known. gtid: "" none */
    bool is_refused;          /* … because the account may not ask; else it was thrown away */
    bool has_gtid;
    bool
        is_later; /* the set is that of now: another one proves nothing, for somebody may have written since */
};
void hf_drill_recovered_free(struct hf_drill_recovered *r);
HF_DEFINE_AUTO_VALUE(hf_drill_recovered, hf_drill_recovered_free)

/* Notes HF_DRILL_POSITION. */
void hf_drill_judge_position(const struct hf_manifest *m, const struct hf_drill_recovered *r,
                             struct hf_drill_checks *out);

/* Are these the same transactions? The order of the members does not count. */
bool hf_drill_same_gtids(const char *a, const char *b);

/* Of the members of a Gtid_list of MariaDB (DOMAIN-SERVER-NUMBER, every server of a domain, the one that wrote last at its end) the last
 * of each domain: what @@gtid_binlog_pos says. To be freed; NULL: no memory. */
char *hf_drill_gtid_state(const char *list) HF_CHECKED;

/* Which dumps show the instant of the disks: their sessions began under a lock that held. */
bool hf_drill_is_same_instant(const struct hf_manifest *m, const struct hf_point_artifact *dump);

#endif
