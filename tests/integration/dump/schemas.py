# SPDX-License-Identifier: Apache-2.0
"""Random schemas and rows from a seed: everything that servers of both flavours hold, with hostile names and contents."""

import random
import struct

from dumplib import IS_MARIADB, quote

HOSTILE = ["quo'te", 'dou"ble', "back`tick", "back\\slash", "sla/sh", "..", "do.t", "new\nline", "sp ace", "semi;colon",
           "x*/ y", "a -- dash", "mydumper_7", "t-schema", "ünïcode", "日本" * 16, "ﷺ" * 40, "%s%n", "$(id)", "_"]
TEXTS = ["", " ", "'", '"', "\\", "\\'", "it's", "a\nb\r\nc\td", "\x00", "\x1a", ";\n", "*/", "-- x", "/*!50000 x */",
         "NULL", "\\N", "%", "_", "`", "x" * 300, "'); DROP TABLE t; --", "DELIMITER ;;\n"]
WIDE = ["😀", "日本語", "é", "\U0010ffff", "Ω'\\"]
BYTES = [b"", b"\0", b"\xff", b"\x00\x01\x02'\"\\\n\r\x1a", bytes(range(256)), b"\\'" * 40]
CHARSETS = {"utf8mb4": "utf-8", "latin1": "cp1252", "ucs2": "utf-16-be", "utf16": "utf-16-be", "utf32": "utf-32-be",
            "gbk": "gbk", "sjis": "shift_jis", "ascii": "ascii"}


def hex_literal(data):
    return "X'" + data.hex() + "'"


class Column:
    def __init__(self, name, ddl, value):
        self.name, self.ddl, self.value = name, ddl, value


class Maker:
    """One run of the generator: `statements` make the content of the schemas in `schemas`."""

    def __init__(self, seed, rows=40):
        self.r = random.Random(seed)
        self.rows = rows
        self.statements = []
        self.schemas = []

    def add(self, text):
        self.statements.append(text)

    # ---- values: each a literal ---------------------------------------------------------

    def integer(self, bits, unsigned):
        low, high = (0, 2**bits - 1) if unsigned else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)
        return str(self.r.choice([low, high, 0, 1, self.r.randint(low, high)]))

    def real(self, single):
        if single:
            return repr(struct.unpack("f", struct.pack("f", self.r.uniform(-1e9, 1e9)))[0]) \
                if self.r.random() < .6 else self.r.choice(["-0e0", "3.4028234663852886e38", "1e-38", "16777217", "0.1"])
        return repr(self.r.uniform(-1e300, 1e300)) if self.r.random() < .5 \
            else self.r.choice(["-0e0", "1.7976931348623157e308", "2.2250738585072014e-308", "0.1", "1e22", "5e-324"])

    def text(self, charset, limit):
        parts = [self.r.choice(TEXTS + WIDE) for _ in range(self.r.randint(0, 4))]
        out = b""
        for c in "".join(parts)[:limit]:
            try:
                if charset == "ucs2" and ord(c) > 0xffff:
                    continue
                out += c.encode(CHARSETS[charset])
            except UnicodeEncodeError:
                continue
        return f"_{charset} {hex_literal(out)}"

    def bytes(self, limit):
        return hex_literal((self.r.choice(BYTES) + self.r.randbytes(self.r.randint(0, 40)))[:limit])

    def moment(self, zero):
        if zero and self.r.random() < .2:
            return self.r.choice(["'0000-00-00 00:00:00'", "'2001-00-10 00:00:00'", "'0000-00-00 00:00:00.000000'"])
        return f"'{self.r.randint(1000, 9999):04d}-{self.r.randint(1, 12):02d}-{self.r.randint(1, 28):02d} " \
               f"{self.r.randint(0, 23):02d}:{self.r.randint(0, 59):02d}:59.{self.r.randint(0, 999999):06d}'"

    def stamp(self):
        return f"'{self.r.randint(1971, 2037)}-07-{self.r.randint(1, 28):02d} 02:30:{self.r.randint(0, 59):02d}.123456'"

    def shape(self):
        return "ST_GeomFromText('" + self.r.choice([
            f"POINT({self.r.uniform(-80, 80)} {self.r.uniform(-80, 80)})", "LINESTRING(0 0,1 1,2.5 39)",
            "POLYGON((0 0,10 0,10 10,0 10,0 0))", "MULTIPOINT((1 1),(2 2))"]) + "')"

    # ---- columns ------------------------------------------------------------------------

    def column_kinds(self):
        r = self.r
        kinds = []
        for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64)):
            for unsigned in (False, True):
                kinds.append((f"{name}{' UNSIGNED' if unsigned else ''}", lambda b=bits, u=unsigned: self.integer(b, u)))
        kinds += [
            ("INT(8) UNSIGNED ZEROFILL", lambda: str(r.randint(0, 99999))),
            ("DECIMAL(65,30)", lambda: f"{r.randint(-10**34, 10**34)}.{r.randint(0, 10**29)}"),
            ("DECIMAL(5,0) UNSIGNED", lambda: str(r.randint(0, 99999))),
            ("FLOAT", lambda: self.real(True)), ("DOUBLE", lambda: self.real(False)),
            ("BIT(1)", lambda: str(r.randint(0, 1))), ("BIT(64)", lambda: str(r.choice([0, 2**64 - 1, r.getrandbits(64)]))),
            ("BIT(11)", lambda: str(r.getrandbits(11))),
            ("DATE", lambda: self.moment(True)), ("DATETIME", lambda: self.moment(True)),
            ("DATETIME(6)", lambda: self.moment(False)), ("TIMESTAMP(6) NULL", self.stamp),
            ("TIME(3)", lambda: r.choice(["'-838:59:59'", "'838:59:58.999'", "'00:00:00'"])),
            ("YEAR", lambda: r.choice(["0", "1901", "2155"])),
            ("BINARY(16)", lambda: self.bytes(16)), ("VARBINARY(300)", lambda: self.bytes(300)),
            ("TINYBLOB", lambda: self.bytes(255)), ("BLOB", lambda: self.bytes(300)), ("LONGBLOB", lambda: self.bytes(300)),
            ("ENUM('a','it''s','ä','')", lambda: r.choice(["'a'", "'it''s'", "1", "4"])),
            ("SET('x','y,z2','z')".replace("y,z2", "y"), lambda: r.choice(["''", "'x,z'", "'x,y,z'", "7"])),
            ("GEOMETRY", self.shape), ("POINT", lambda: "ST_GeomFromText('POINT(1 2)')"),
            ("JSON", lambda: r.choice(["'{\"k\": \"v''\\\\n\"}'", "'[1, 2.5, null, \"😀\"]'", "'\"\"'", "'-0.0'"])),
        ]
        for charset in CHARSETS:
            kinds.append((f"VARCHAR(60) CHARACTER SET {charset}", lambda c=charset: self.text(c, 60)))
            kinds.append((f"CHAR(20) CHARACTER SET {charset}", lambda c=charset: self.text(c, 20)))
            kinds.append((f"MEDIUMTEXT CHARACTER SET {charset}", lambda c=charset: self.text(c, 1000)))
        if IS_MARIADB:
            kinds += [("INET6", lambda: r.choice(["'::1'", "'2001:db8::ff00:42:8329'"])),
                      ("UUID", lambda: "'123e4567-e89b-12d3-a456-426655440000'")]
        else:
            kinds += [("VECTOR(3)", lambda: "TO_VECTOR('[1, -2.5, 3e10]')")]
        return kinds

    def key(self):
        """Definition, columns and values of the primary key."""
        r = self.r
        text = [f"'k{i:04d}{r.choice(['', 'ä', ' x'])}'" for i in range(self.rows)]
        blobs = [hex_literal(struct.pack(">I", i) + r.randbytes(12)) for i in range(self.rows)]
        big = sorted({r.choice([r.getrandbits(64), r.getrandbits(20), 2**63 + i]) for i in range(self.rows)})
        return r.choice([
            ("id INT AUTO_INCREMENT PRIMARY KEY", ["id"], [[str(i + 1)] for i in range(self.rows)]),
            ("id BIGINT UNSIGNED PRIMARY KEY", ["id"], [[str(i)] for i in big]),
            ("id SMALLINT AUTO_INCREMENT PRIMARY KEY", ["id"], [[str(i - 3)] for i in range(self.rows)]),
            ("a VARCHAR(20) CHARACTER SET utf8mb4, b INT, PRIMARY KEY (a, b)", ["a", "b"], [[t, "0"] for t in text]),
            ("id BINARY(16) PRIMARY KEY", ["id"], [[b] for b in blobs]),
            ("n INT", ["n"], [[str(r.randint(0, 5))] for _ in range(self.rows)]),
        ])

    # ---- objects ------------------------------------------------------------------------

    def table(self, schema, name, engine="InnoDB", tail=""):
        r = self.r
        ddl, key_columns, keys = self.key()
        columns = []
        for i, (type_, value) in enumerate(r.sample(self.column_kinds(), r.randint(3, 9))):
            if engine != "InnoDB" and type_.startswith("VECTOR"):
                continue
            column = r.choice(HOSTILE)[:50] + str(i) if r.random() < .3 else f"c{i}"
            invisible = " INVISIBLE" if r.random() < .15 and "TIMESTAMP" not in type_ else ""
            comment = " COMMENT " + "'" + r.choice(["it''s", "a\\\\b", "x;y", "*/", "ü"]) + "'" if r.random() < .2 else ""
            columns.append(Column(column, f"{quote(column)} {type_}{invisible}{comment}", value))
        extra = ""
        if engine == "InnoDB" and "n INT" not in ddl and key_columns == ["a", "b"]:
            extra = ", g1 INT GENERATED ALWAYS AS (b * 2) VIRTUAL, g2 INT GENERATED ALWAYS AS (b + 1) STORED, " \
                    "CHECK (b >= 0), KEY (g1)"
        self.add(f"CREATE TABLE {quote(schema)}.{quote(name)} ({ddl}, " + ", ".join(c.ddl for c in columns) + extra +
                 f") ENGINE = {engine} {r.choice(['', 'DEFAULT CHARSET latin1', 'DEFAULT CHARSET utf8mb4'])} {tail}")
        names = ", ".join(quote(c) for c in key_columns + [c.name for c in columns])
        for key in keys:
            values = key + [c.value() if r.random() > .15 else "NULL" for c in columns]
            self.add(f"INSERT IGNORE INTO {quote(schema)}.{quote(name)} ({names}) VALUES ({', '.join(values)})")

    def views(self, schema, tables):
        """Later names first, so that a view stands before what it is made of."""
        s, previous = quote(schema), None
        for i, table in enumerate(tables[:4]):
            name = f"v{9 - i} {HOSTILE[i]}"
            base = quote(previous) if previous else quote(table)
            self.add(f"USE {s}")
            self.add(f"CREATE ALGORITHM = {self.r.choice(['MERGE', 'TEMPTABLE', 'UNDEFINED'])} VIEW {quote(name)} AS "
                     f"SELECT 'it''s; \\\\' AS {quote(HOSTILE[i + 4])}, COUNT(*) AS n FROM {base}")
            previous = name
        self.add(f"CREATE VIEW aa AS SELECT f1(n) AS f FROM {quote(previous)}")

    def programs(self, schema):
        s = quote(schema)
        self.add(f"USE {s}")
        self.add("CREATE FUNCTION f1(a INT) RETURNS VARCHAR(50) CHARSET utf8mb4 DETERMINISTIC BEGIN DECLARE x INT DEFAULT 1;\n"
                 "  -- a comment; with a semicolon\n  RETURN CONCAT('it''s;\n', a, \";#\", x);\nEND")
        self.add("CREATE PROCEDURE `p\"1 ;# */`(IN a INT, OUT b TEXT) SQL SECURITY INVOKER COMMENT 'quo''te' BEGIN "
                 "# ;#1\nSELECT 1; SELECT ';#'; END")
        self.add("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
        self.add("CREATE PROCEDURE \"p2\"() BEGIN SELECT '\\' AS \"x;\"; END")
        self.add("SET sql_mode = 'STRICT_TRANS_TABLES'")
        self.add("SET NAMES latin1")
        self.add("CREATE PROCEDURE p3() SELECT 'caf\xe9;'".encode("latin1"))
        self.add("SET NAMES utf8mb4")
        self.add("SET time_zone = '+05:30'")
        self.add("CREATE EVENT `e 1` ON SCHEDULE EVERY 3 HOUR STARTS '2030-01-02 03:04:05' ON COMPLETION PRESERVE DISABLE "
                 "COMMENT 'x;y' DO BEGIN SELECT 1; SELECT 2; END")
        self.add("SET time_zone = '+00:00', sql_mode = ''")
        if IS_MARIADB:
            self.add("SET sql_mode = 'ORACLE'")
            self.add("CREATE PACKAGE pk AS FUNCTION f RETURN INT; PROCEDURE p; END")
            self.add("CREATE PACKAGE BODY pk AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; "
                     "PROCEDURE p AS BEGIN SELECT f(); END; END")
            self.add("SET sql_mode = ''")

    def triggers(self, schema):
        self.add(f"USE {quote(schema)}")
        self.add("CREATE TABLE trg (id INT PRIMARY KEY, v VARCHAR(100)) ENGINE = InnoDB")
        self.add("INSERT INTO trg VALUES (1, 'as inserted')")
        for i, name in enumerate(("second", "first;", "quo'te")):
            where = {1: " PRECEDES second", 2: " FOLLOWS second"}.get(i, "")
            self.add(f"CREATE TRIGGER {quote(name)} BEFORE INSERT ON trg FOR EACH ROW{where} "
                     f"BEGIN SET NEW.v = CONCAT(NEW.v, '{i};\\''); END")
        self.add("CREATE TRIGGER plain AFTER UPDATE ON trg FOR EACH ROW SET @x = 1")

    def foreign_keys(self, schema):
        self.add(f"USE {quote(schema)}")
        self.add("CREATE TABLE zparent (id INT PRIMARY KEY, child INT) ENGINE = InnoDB")
        self.add("CREATE TABLE achild (id INT PRIMARY KEY, parent INT, CONSTRAINT `f;k` FOREIGN KEY (parent) "
                 "REFERENCES zparent (id) ON DELETE CASCADE) ENGINE = InnoDB")
        self.add("INSERT INTO zparent VALUES (1, NULL), (2, NULL)")
        self.add("INSERT INTO achild VALUES (1, 1), (2, 2), (3, 1)")
        self.add("ALTER TABLE zparent ADD CONSTRAINT back FOREIGN KEY (child) REFERENCES achild (id)")
        self.add("UPDATE zparent SET child = 3")

    def special_tables(self, schema):
        s = quote(schema)
        self.add(f"USE {s}")
        self.add("CREATE TABLE parts (id INT, d DATE, PRIMARY KEY (id, d)) ENGINE = InnoDB PARTITION BY RANGE (YEAR(d)) "
                 "(PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE)")
        self.add("INSERT INTO parts VALUES (1, '1999-01-01'), (2, '2020-01-01')")
        self.add("CREATE TABLE empty_one (id INT PRIMARY KEY)")
        self.add("CREATE TABLE nulls_only (a INT, b TEXT)")
        self.add("INSERT INTO nulls_only VALUES (NULL, NULL), (NULL, NULL)")
        self.add("CREATE TABLE zeros (id INT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 1000")
        self.add("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        self.add("INSERT INTO zeros VALUES (0, 1)")
        self.add("SET sql_mode = ''")
        wide = ", ".join(f"c{i} VARCHAR(40) DEFAULT 'd{i}'" for i in range(150))
        self.add(f"CREATE TABLE widest (id INT PRIMARY KEY, {wide}) ENGINE = InnoDB DEFAULT CHARSET latin1")
        self.add("INSERT INTO widest (id) VALUES (1), (2)")
        self.add("CREATE TABLE giants (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT)")
        self.add("INSERT INTO giants VALUES (1, REPEAT(X'005c270a1affc3', 2400000), 'x'), (2, NULL, REPEAT('\\'\\\\', 900000))")
        self.add("CREATE TABLE part_a (id INT, v INT) ENGINE = MyISAM")
        self.add("INSERT INTO part_a VALUES (1, 1)")
        self.add("CREATE TABLE together (id INT, v INT) ENGINE = MERGE UNION = (part_a) INSERT_METHOD = LAST")
        self.add("CREATE TABLE shapes (id INT PRIMARY KEY, p POINT NOT NULL, SPATIAL KEY (p)) ENGINE = InnoDB")
        self.add("INSERT INTO shapes VALUES (1, ST_GeomFromText('POINT(1 2)'))")
        self.add("CREATE TABLE words (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY (t)) ENGINE = InnoDB")
        self.add("INSERT INTO words VALUES (1, 'a full text')")
        if IS_MARIADB:
            self.add("CREATE SEQUENCE seq START WITH 5 INCREMENT BY 3 CACHE 10 CYCLE MAXVALUE 1000")
            self.add("SELECT NEXTVAL(seq), NEXTVAL(seq)")
            self.add("CREATE TABLE by_seq (id INT DEFAULT NEXTVAL(seq) PRIMARY KEY, v INT)")
            self.add("INSERT INTO by_seq (v) VALUES (1), (2)")
            self.add("CREATE TABLE hist (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING")
            self.add("CREATE TABLE hist2 (id INT PRIMARY KEY, v INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, "
                     "e TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (s, e)) "
                     "WITH SYSTEM VERSIONING")
            for t in ("hist", "hist2"):
                self.add(f"INSERT INTO {t} (id, v) VALUES (1, 1), (2, 2)")
                self.add(f"UPDATE {t} SET v = v + 10")
                self.add(f"DELETE FROM {t} WHERE id = 2")

    def accounts(self):
        self.add("CREATE USER 'it''s'@'10.0.0.%' IDENTIFIED BY 'pass''word\\\\'")
        self.add("CREATE USER app@'%' IDENTIFIED BY 'x'")
        self.add("CREATE ROLE reader")
        self.add(f"GRANT SELECT ON {quote(self.schemas[0])}.* TO reader")
        self.add("GRANT reader TO app@'%'")
        self.add("SET DEFAULT ROLE reader " + ("FOR" if IS_MARIADB else "TO") + " app@'%'")
        self.add(f"GRANT SELECT (id), INSERT ON {quote(self.schemas[0])}.trg TO 'it''s'@'10.0.0.%' WITH GRANT OPTION")
        self.add(f"GRANT EXECUTE ON FUNCTION {quote(self.schemas[0])}.f1 TO app@'%'")

    def make(self):
        """Two schemas, one with a hostile name; everything that there is in the first."""
        self.schemas = [f"s{self.r.randint(0, 99)}", self.r.choice(HOSTILE[:-4]) + "!"]
        self.add("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = ''")
        for i, schema in enumerate(self.schemas):
            self.add(f"CREATE DATABASE {quote(schema)} CHARACTER SET {self.r.choice(['utf8mb4', 'latin1'])}")
            names = [f"t{k}" for k in range(3)] + self.r.sample(HOSTILE, 4)
            for name in names:
                self.table(schema, name)
            self.table(schema, "plain one", "MyISAM")
            if i == 0:
                if IS_MARIADB:
                    self.table(schema, "aria", "Aria")
                self.special_tables(schema)
                self.foreign_keys(schema)
                self.programs(schema)
                self.triggers(schema)
                self.views(schema, names)
        self.accounts()
        return self

    def script(self):
        """For the plain client: statements with semicolons inside need a delimiter of their own."""
        out = [b"DELIMITER $$END$$"]
        for s in self.statements:
            out.append((s.encode("utf-8") if isinstance(s, str) else s) + b"\n$$END$$")
        return b"\n".join(out) + b"\n"
