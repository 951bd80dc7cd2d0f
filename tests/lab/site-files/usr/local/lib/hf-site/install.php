<?php
// SPDX-License-Identifier: Apache-2.0
//
// WordPress's installation, as its wp-admin/install.php does it, a user for the clicks, and first content.
// Standard input: the passwords of admin and author, a line each.

define('WP_INSTALLING', true);
require __DIR__ . '/content.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

// Asks itself for a page, and mails the administrator: there is nobody to answer.
add_filter('pre_http_request', fn () => new WP_Error('lab', 'no request leaves this guest'));
add_filter('pre_wp_mail', '__return_true');

$admin = trim(fgets(STDIN));
$author = trim(fgets(STDIN));
wp_install('hf-site', 'admin', 'admin@site.invalid', false, '', $admin);
wp_installing(false);
hf_done(wp_insert_user(['user_login' => 'author', 'user_pass' => $author, 'user_email' => 'author@site.invalid',
    'role' => 'author']));
switch_theme('twentytwentyone');
// Post 1 is WordPress's own "Hello world!", which carries no proof.
wp_delete_post(1, true);
for ($i = 0; $i < 12; $i++) {
    hf_add_post(hf_token('seed'));
    hf_add_upload(hf_token('seed'));
}
