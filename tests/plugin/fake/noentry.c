/* SPDX-License-Identifier: Apache-2.0 */
/* A library with a plugin's file name. */
#include "api/holdfast/plugin.h"

HF_PLUGIN_EXPORT int holdfast_plugin_entrance(void);
int holdfast_plugin_entrance(void)
{
    return 1;
}
