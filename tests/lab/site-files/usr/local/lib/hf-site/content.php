<?php
// SPDX-License-Identifier: Apache-2.0
//
// The site's content, made by WordPress's own functions. Each piece carries the proof that it is whole:
// a post "entry TOKEN" the SHA-256 of its token, an upload that of its bytes as the title of its row.
// tests/guest/webapp.py makes the same through HTTP, and judges both.

$_SERVER['HTTP_HOST'] = '127.0.0.1';
require '/usr/share/wordpress/wp-load.php';

// WordPress returns its errors; a script has to end by them.
function hf_done($result)
{
    if (is_wp_error($result)) {
        throw new RuntimeException($result->get_error_message());
    }
    return $result;
}

// No hyphen, no x: WordPress makes typography of them.
function hf_token(string $kind): string
{
    return $kind . bin2hex(random_bytes(8));
}

function hf_add_post(string $token): void
{
    $proof = hash('sha256', $token);
    hf_done(wp_insert_post(['post_title' => "entry $token", 'post_content' => "<p>$token</p><p>$proof</p>",
        'post_status' => 'publish', 'post_author' => 1], true));
}

// The file first and then its row, as WordPress does with what comes through HTTP.
function hf_add_upload(string $token): void
{
    $bytes = str_repeat("$token\n", random_int(1, 2000));
    $upload = wp_upload_bits("$token.txt", null, $bytes);
    if ($upload['error']) {
        throw new RuntimeException($upload['error']);
    }
    hf_done(wp_insert_attachment(['post_title' => hash('sha256', $bytes), 'post_mime_type' => 'text/plain',
        'post_status' => 'inherit', 'post_author' => 1], $upload['file'], 0, true));
}
