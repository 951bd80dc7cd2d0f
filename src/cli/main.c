/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
    /* A core file would hold the database's password. Children inherit it, the guardian among them. */
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    return hf_cli_main(argc, argv);
}
