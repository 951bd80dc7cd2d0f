0CREATE SEQUENCE `s` start with 1;
DO SETVAL(`s`, 1, 0, 0);
GRANT SELECT ON `a`.* TO x@y;
