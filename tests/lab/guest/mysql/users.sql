-- Run once by "mysqld --initialize-insecure". root is who root is in the guest, as in Debian.
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
ALTER USER root@localhost IDENTIFIED WITH auth_socket;

CREATE SCHEMA hf_test;

-- What the hold needs on MySQL 8.0.23+, each by experiment:
--   BACKUP_ADMIN            LOCK INSTANCE FOR BACKUP, performance_schema.log_status
--   RELOAD                  FLUSH TABLES WITH READ LOCK, FLUSH LOCAL ENGINE LOGS and BINARY LOGS
--   SELECT on performance_schema   the position, and other people's statements (who would block the lock)
--   SHOW VIEW               the least that lists foreign tables with their engine in information_schema.TABLES
--   SYSTEM_VARIABLES_ADMIN  SET GLOBAL innodb_flush_log_at_trx_commit: not needed, but then nothing is left to do under the lock
--   PROCESS, LOCK TABLES    what MariaDB's account has
CREATE USER holdfast IDENTIFIED WITH caching_sha2_password BY '@HOLDFAST_PASSWORD@';
GRANT RELOAD, PROCESS, LOCK TABLES, SHOW VIEW, BACKUP_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* TO holdfast;
GRANT SELECT ON performance_schema.* TO holdfast;

-- The same without SYSTEM_VARIABLES_ADMIN.
CREATE USER holdfast_min IDENTIFIED WITH caching_sha2_password BY '@HOLDFAST_MIN_PASSWORD@';
GRANT RELOAD, PROCESS, LOCK TABLES, SHOW VIEW, BACKUP_ADMIN ON *.* TO holdfast_min;
GRANT SELECT ON performance_schema.* TO holdfast_min;

-- The same as holdfast plus what a dump has to read.
CREATE USER holdfast_dump IDENTIFIED WITH caching_sha2_password BY '@HOLDFAST_DUMP_PASSWORD@';
GRANT RELOAD, PROCESS, LOCK TABLES, SHOW VIEW, SELECT, TRIGGER, EVENT, BACKUP_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* TO holdfast_dump;

CREATE USER writer IDENTIFIED WITH caching_sha2_password BY '@WRITER_PASSWORD@';
GRANT ALL ON hf_test.* TO writer;
