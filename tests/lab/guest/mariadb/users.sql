-- Run once by "mariadbd --bootstrap", which starts without grant tables: load them first.
FLUSH PRIVILEGES;

CREATE SCHEMA hf_test;

-- What the hold needs on MariaDB 10.11, each by experiment:
--   RELOAD          BACKUP STAGE, FLUSH TABLES WITH READ LOCK, FLUSH LOCAL ENGINE LOGS
--   PROCESS         other people's statements (who would block the lock), INNODB STATUS
--   BINLOG MONITOR  SHOW MASTER STATUS
--   LOCK TABLES     dumps that lock table by table
--   SHOW VIEW       the least that lists foreign tables with their engine in information_schema.TABLES
--   SUPER           SET GLOBAL innodb_flush_log_at_trx_commit; BINLOG ADMIN and the other *ADMIN do not do
CREATE USER holdfast IDENTIFIED BY '@HOLDFAST_PASSWORD@';
GRANT RELOAD, PROCESS, BINLOG MONITOR, LOCK TABLES, SHOW VIEW, SUPER ON *.* TO holdfast;

-- The same without SUPER: the durability step has to be given up, and said so.
CREATE USER holdfast_min IDENTIFIED BY '@HOLDFAST_MIN_PASSWORD@';
GRANT RELOAD, PROCESS, BINLOG MONITOR, LOCK TABLES, SHOW VIEW ON *.* TO holdfast_min;

-- The same as holdfast plus what a dump has to read.
CREATE USER holdfast_dump IDENTIFIED BY '@HOLDFAST_DUMP_PASSWORD@';
GRANT RELOAD, PROCESS, BINLOG MONITOR, LOCK TABLES, SHOW VIEW, SUPER, SELECT, TRIGGER, EVENT ON *.* TO holdfast_dump;

CREATE USER writer IDENTIFIED BY '@WRITER_PASSWORD@';
GRANT ALL ON hf_test.* TO writer;
