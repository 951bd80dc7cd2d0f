/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

bool hf_cli_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool hf_cli_read_answer(struct hf_cli *cli, char *out, size_t size)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = hf_cancel_fd(cli->cancel), .events = POLLIN}};
    while (poll(fds, HF_ARRAY_SIZE(fds), -1) < 0)
        if (hf_cancel_is_set(cli->cancel))
            return false;
    if (fds[1].revents)
        return false;
    ssize_t n = read(STDIN_FILENO, out, size - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}
