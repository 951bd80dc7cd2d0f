# SPDX-License-Identifier: Apache-2.0
"""The web application's guest, and whether its judge sees what does not agree.

A site is made, clicked on and judged at rest; then each kind of damage is done to it by hand and found by name.
"""

import time
import unittest

import webapp
from hf import main


def sql(statement):
    webapp.ssh(None, f"mariadb {webapp.SCHEMA} <<'END'\n{statement}\nEND")


def uploads(script):
    webapp.ssh(None, f"set -e; cd {webapp.UPLOADS}; {script}")


class SiteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        webapp.install()

    def test_users_click_and_everything_acknowledged_is_there(self):
        with webapp.Clicks(users=3, seconds=300) as clicks:
            clicks.wait_for(post=4, upload=4, read=4, download=2)
        verdict = webapp.judge()
        self.assertTrue(verdict.equal, verdict)
        self.assertEqual(clicks.missing(verdict), [])
        # WordPress itself answers 500 now and then when several write at once: what it did not acknowledge counts for nothing.
        print(f"  {clicks.done}, errors: {dict(clicks.errors)}", flush=True)
        self.assertLessEqual(clicks.errors.total(), 3)
        self.assertEqual(clicks.wrong, [])
        # The other way round: the list of what is missing is not empty by itself.
        self.assertEqual(len(clicks.missing(webapp.Verdict())), clicks.done["post"] + clicks.done["upload"])

    def test_clicks_outlive_services_at_rest_and_no_upload_is_cut(self):
        self.addCleanup(webapp.ssh, None, "systemctl start apache2")
        with webapp.Clicks(users=3, seconds=300) as clicks:
            for _ in range(3):
                clicks.wait_for(upload=1)
                webapp.ssh(None, "systemctl stop apache2")
                errors = clicks.errors.total()
                time.sleep(2)
                self.assertGreater(clicks.errors.total(), errors)
                webapp.ssh(None, "systemctl start apache2")
            clicks.wait_for(post=1, upload=1)
        verdict = webapp.judge(sample=2)
        self.assertTrue(verdict.equal, verdict)
        self.assertEqual((clicks.missing(verdict), clicks.wrong), ([], []))

    def test_cron_writes_a_post_and_an_upload(self):
        before = {r[0] for r in webapp.rows_of(None)}
        end = time.monotonic() + 150
        kinds = []
        while sorted(kinds) != ["attachment", "post"]:
            self.assertLess(time.monotonic(), end, kinds)
            time.sleep(1)
            kinds = [r[1] for r in webapp.rows_of(None) if r[0] not in before and "cron" in r[2] + r[3]][:2]
        verdict = webapp.judge(sample=2)
        self.assertTrue(verdict.equal, verdict)

    def test_uploads_that_do_not_agree_with_their_rows_are_found_each_by_name(self):
        gone, changed, rowless, *_ = sorted(webapp.files_of(None))
        row = f"(SELECT post_id FROM wp_postmeta WHERE meta_key = '_wp_attached_file' AND meta_value = '{rowless}')"
        self.addCleanup(sql, "INSERT INTO wp_posts SELECT * FROM hf_test.kept; DROP TABLE hf_test.kept;")
        self.addCleanup(uploads, f"mv /root/gone {gone}; mv /root/whole {changed}; rm 'stray file.txt'")
        uploads(f"mv {gone} /root/gone; cp -p {changed} /root/whole; echo more >>{changed}; echo stray >'stray file.txt'")
        sql(f"CREATE TABLE hf_test.kept AS SELECT * FROM wp_posts WHERE ID = {row}; DELETE FROM wp_posts WHERE ID = {row};")
        verdict = webapp.judge(sample=2)
        self.assertFalse(verdict.equal)
        self.assertEqual([r.split(" ", 1)[1] for r in verdict.rows_without_file], [gone], verdict)
        self.assertEqual(verdict.files_without_row, sorted([rowless, "stray file.txt"]), verdict)
        self.assertEqual(verdict.wrong_bytes, [changed], verdict)
        self.assertEqual(verdict.wrong_pages, [], verdict)

    def test_posts_that_are_not_whole_or_not_shown_are_found_each_by_number(self):
        posts = [(r[0], r[2].removeprefix("entry ")) for r in webapp.rows_of(None) if r[1] == "post"]
        (torn, torn_token), (hidden, hidden_token), *_ = posts
        proof = webapp.sha256(torn_token)
        # Nothing of this one is in the database: only who asks for the page can see it.
        plugins = "/var/lib/wordpress/wp-content/mu-plugins"
        self.addCleanup(webapp.ssh, None, f"rm -r {plugins}")
        self.addCleanup(sql, f"UPDATE wp_posts SET post_content = REPLACE(post_content, 'torn', '{proof}') WHERE ID = {torn};")
        webapp.ssh(None, f"mkdir {plugins} && cat >{plugins}/hide.php <<'END'\n<?php\n"
                   f"add_filter('the_content', fn ($c) => str_replace('{webapp.sha256(hidden_token)}', '', $c));\nEND")
        sql(f"UPDATE wp_posts SET post_content = REPLACE(post_content, '{proof}', 'torn') WHERE ID = {torn};")
        verdict = webapp.judge(sample=2)
        self.assertEqual((verdict.rows_without_file, verdict.files_without_row, verdict.wrong_bytes), ([], [], []))
        self.assertIn(f"post {torn}: not whole in the database", verdict.wrong_pages)
        self.assertIn(f"post {hidden}: the application has another one or none", verdict.wrong_pages)
        self.assertNotIn(f"post {posts[2][0]}:", " ".join(verdict.wrong_pages))


if __name__ == "__main__":
    main(flavour="wordpress")
