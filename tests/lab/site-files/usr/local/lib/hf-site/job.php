<?php
// SPDX-License-Identifier: Apache-2.0
//
// Run by cron (/etc/cron.d/hf-site): one post, one upload.

require __DIR__ . '/content.php';
hf_add_upload(hf_token('cron'));
hf_add_post(hf_token('cron'));
