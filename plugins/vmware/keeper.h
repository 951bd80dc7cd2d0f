/* SPDX-License-Identifier: Apache-2.0
 *
 * keeper.h - keeps a lease alive while its disks are read: a thread that tells the server each quarter of the lease's time that it goes on.
 *
 * It has a connection and a state of its own, and the session of when it began: the reader may wait for a slow store as long as it has to.
 * A lease that the server has given up, or that was not answered for in its whole time, is lost, and says so ever after.
 */
#ifndef HF_VMWARE_KEEPER_H
#define HF_VMWARE_KEEPER_H

#include "vmw.h"

struct vmw_keeper;

/* in: outlives it, and does not change its trust. */
struct vmw_keeper *vmw_keeper_start(const struct hf_instance *in, const struct vmw_ref *lease,
                                    int64_t timeout_ms, struct hf_err *err) HF_CHECKED;
/* What the server is told next. */
void vmw_keeper_percent(struct vmw_keeper *k, int percent);
/* UNREACHABLE: the lease is lost. */
int vmw_keeper_check(struct vmw_keeper *k, struct hf_err *err) HF_CHECKED;
/* The thread has ended: within ten seconds, mostly at once. Takes NULL. */
void vmw_keeper_stop(struct vmw_keeper *k);
HF_DEFINE_AUTO(vmw_keeper, vmw_keeper_stop)

#endif
