/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <malloc.h>
#include <sys/resource.h>

int main(int argc, char **argv)
{
    /* A core file would hold the database's password. Children inherit it, the guardian among them. */
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    /* Packs on their way go back to the system when they have arrived. By itself malloc learns to keep such pieces. */
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
    return hf_cli_main(argc, argv);
}
