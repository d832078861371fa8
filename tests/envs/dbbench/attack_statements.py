"""Statements that try to break out of the sandbox, to hang it or to fill the memory. Run as a program: one JSON line
for each, measured in this process. `python attack_statements.py mysql|sqlite`
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time

from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table

ROWS = tuple((str(i), f"name {i}", "x" * 20) for i in range(60))
TASK = DBTask(id="attacks/0", split="test", type="other", tables=(Table("t", ("id", "name", "filler"), ROWS),))
DEEP = 4000

COMMON = {
    "attach": "ATTACH DATABASE 'stolen.db' AS stolen",
    "vacuum into": "VACUUM INTO 'stolen.db'",
    "pragma": "PRAGMA writable_schema = ON",
    "pragma function": "SELECT * FROM pragma_database_list",
    "trigger": "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "view": "CREATE VIEW v AS SELECT * FROM t",
    "virtual table": "CREATE VIRTUAL TABLE f USING fts5(a)",
    "drop": "DROP TABLE t",
    "alter": "ALTER TABLE t ADD COLUMN x TEXT",
    "savepoint": "SAVEPOINT a",
    "schema": "DELETE FROM sqlite_master",
    "endless recursion": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r",
    "endless distinct": "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n + 1 FROM r) SELECT COUNT(*) FROM r",
    "cross join": "SELECT COUNT(*) FROM t a, t b, t c, t d, t e, t f",
    "sorted cross join": "SELECT a.name FROM t a, t b, t c, t d, t e ORDER BY c.filler, a.name, d.name LIMIT 1",
    "grouped cross join": "SELECT a.name, b.name, COUNT(*) FROM t a, t b, t c, t d GROUP BY a.name, b.name, c.name",
    "distinct cross join": "SELECT DISTINCT a.id, b.id, c.id, d.id FROM t a, t b, t c, t d",
    "huge result": "SELECT a.*, b.*, c.* FROM t a, t b, t c",
    "randomblob": "SELECT randomblob(900000000)",
    "zeroblob": "SELECT zeroblob(900000000)",
    "printf": "SELECT printf('%.*c', 900000000, 'x')",
    "format": "SELECT format('%.*c', 900000000, 'x')",
    "load_extension": "SELECT load_extension('/tmp/evil.so')",
    "readfile": "SELECT readfile('/etc/passwd')",
    "nested parentheses": "SELECT " + "(" * DEEP + "1" + ")" * DEEP,
    "nested functions": "SELECT " + "ABS(" * DEEP + "1" + ")" * DEEP,
    "nested NOT": "SELECT " + "NOT " * DEEP + "1",
    "nested minus": "SELECT " + "- " * DEEP + "1",
    "nested subqueries": "SELECT * FROM " + "(SELECT * FROM " * 500 + "t" + ") x" * 500,
    "long sum": "SELECT " + "+".join(["1"] * 20000),
    "long OR": "SELECT 1 FROM t WHERE " + " OR ".join(["id = 1"] * 10000),
    "long list": "SELECT COUNT(*) FROM t WHERE id IN (" + ",".join(map(str, range(15000))) + ")",
    "long union": " UNION ALL ".join(["SELECT 1"] * 5000),
    "megabytes of statement": "SELECT '" + "x" * 5_000_000 + "'",
    "many columns": "SELECT " + ",".join(["*"] * 1) + ", " + ",".join(["id"] * 5000) + " FROM t",
    "null byte": "SELECT 1\0; DROP TABLE t",
    "second statement": "SELECT 1; DELETE FROM t",
    "huge insert": "INSERT INTO t SELECT a.* FROM t a, t b, t c, t d, t e",
    "like backtracking": "SELECT COUNT(*) FROM t a, t b WHERE CONCAT(a.filler, b.filler) LIKE '%x%x%x%x%x%x%x%x%x%y'",
    "surrogates": "SELECT '\ud800' FROM t WHERE name = '\udfff'",
}
MYSQL = COMMON | {
    "outfile": "SELECT * FROM t INTO OUTFILE 'stolen.txt'",
    "dumpfile": "SELECT 'x' INTO DUMPFILE 'stolen.txt'",
    "load data": "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
    "load_file": "SELECT LOAD_FILE('/etc/passwd')",
    "sleep": "SELECT SLEEP(100)",
    "benchmark": "SELECT BENCHMARK(1000000000, SHA2('a', 256))",
    "get_lock": "SELECT GET_LOCK('a', 100)",
    "shutdown": "SHUTDOWN",
    "other database": "SELECT * FROM mysql.user",
    "grant": "GRANT ALL ON *.* TO agent",
    "reset timeout": "SET SESSION max_execution_time = 0",
    "set global": "SET GLOBAL general_log = 1",
    "doubling": "WITH RECURSIVE r(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, CONCAT(s, s) FROM r WHERE n < 60) "
    "SELECT LENGTH(s) FROM r",
    "repeat": "SELECT REPEAT('x', 900000000)",
    "repeated repeats": "SELECT COUNT(DISTINCT REPEAT(a.name, 20000), b.id) FROM t a, t b, t c",
    "sorted repeats": "SELECT a.id FROM t a, t b, t c ORDER BY REPEAT(CONCAT(a.name, b.name, c.name), 10000)",
    "lpad": "SELECT LPAD('x', 900000000, 'y')",
    "replace growth": "SELECT REPLACE(REPLACE(REPLACE(REPEAT('x', 1000), 'x', REPEAT('x', 1000)), 'x', "
    "REPEAT('x', 1000)), 'x', REPEAT('x', 1000))",
    "group_concat": "SELECT LENGTH(GROUP_CONCAT(REPEAT(a.name, 9) ORDER BY REPEAT(b.name, 10000))) FROM t a, t b, t c",
    "regexp": "SELECT COUNT(*) FROM t WHERE CONCAT(filler, filler, '!') REGEXP '^(x+x+)+y$'",
    "regexp alternation": "SELECT COUNT(*) FROM t a, t b WHERE CONCAT(a.filler, 'z') REGEXP '^(x|xx|xxx)*$'",
    "regexp repeats": "SELECT 'x' REGEXP '((((x{1,999}){1,999}){1,999}){1,999})'",
    "regexp replace": "SELECT REGEXP_REPLACE(REPEAT('x', 100000), 'x', REPEAT('y', 10000))",
    "regexp parentheses": "SELECT 'x' REGEXP '" + "(" * 1900 + "'",
    "format digits": "SELECT FORMAT(1e300, 30), ROUND(1e300, 2000000000), TRUNCATE(1.5, -2000000000)",
    "power": "SELECT POW(10, 400), EXP(10000), 1e308 * 10, 9223372036854775807 + 1, 1e400",
    "decimal growth": "SELECT " + "*".join(["99999999999999999999.99999999999999999999"] * 60),
    "common tables doubling": "WITH "
    + ", ".join(
        f"c{i} AS (SELECT a.* FROM {'t' if not i else f'c{i - 1}'} a JOIN {'t' if not i else f'c{i - 1}'} b USING (id))"
        for i in range(30)
    )
    + " SELECT COUNT(*) FROM c29",
    "internal table": "SELECT * FROM t0",
    "internal function": "SELECT m_first(1), m_fail(1064)",
    "internal mark": "SELECT '\x01\x02', name AS `\x01:\x02` FROM t GROUP BY `\x01:\x02`",
    "rowid": "SELECT rowid, a0.c1 FROM t",
    "sqlite_master": "SELECT * FROM sqlite_master",
    "schema escape": "SELECT * FROM main.t0",
    "backtick escape": "SELECT `id``` FROM `t``; DROP TABLE t0; --`",
}
SQLITE = COMMON | {
    "begin": "BEGIN EXCLUSIVE",
    "doubling": "WITH RECURSIVE r(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, s || s FROM r WHERE n < 60) "
    "SELECT length(s) FROM r",
    "replace growth": "SELECT length(replace(hex(zeroblob(1000)), '0', hex(zeroblob(100000))))",
    "update schema": "UPDATE sqlite_schema SET sql = 'x'",
    "temp table": "CREATE TEMP TABLE x AS SELECT 1",
    "group_concat": "SELECT length(group_concat(a.filler)) FROM t a, t b, t c, t d",
    "fts tokenizer": "SELECT fts3_tokenizer('simple', x'41414141')",
    "glob backtracking": "SELECT COUNT(*) FROM t a, t b, t c WHERE a.filler || b.filler GLOB '*x*x*x*x*x*x*y'",
    "regexp": "SELECT '" + "x" * 60 + "' REGEXP '(x+x+)+y'",
    "reindex": "REINDEX",
    "analyze": "ANALYZE",
    "detach": "DETACH DATABASE main",
    "wide sort": "SELECT a.id FROM t a, t b, t c, t d ORDER BY a.filler || b.filler || c.filler || random()",
}


def attack(dialect: str, name: str, statement: str) -> dict[str, object]:
    """Runs one statement and then an episode after it."""
    before = sorted(os.listdir("."))
    with Sandbox(TASK, dialect=dialect) as db:
        clean = db.table_hash()
        start = time.monotonic()
        reply = db.execute(statement)
        seconds = time.monotonic() - start
    with Sandbox(TASK, dialect=dialect) as db:
        usable = db.execute("SELECT COUNT(*) FROM t").rows == [(len(ROWS),)] and db.table_hash() == clean
        changed = db.execute("UPDATE t SET name = 'new' WHERE id = '3'").error is None and db.table_hash() != clean
    return {
        "name": name,
        "seconds": seconds,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "error": reply.error,
        "text": reply.text[:300],
        "unharmed": usable and changed,
        "files": sorted(set(os.listdir(".")) - set(before)),
    }


def main(dialect: str) -> None:
    os.chdir(tempfile.mkdtemp())
    with Sandbox(TASK, dialect=dialect) as db:
        db.execute("SELECT REGEXP_REPLACE('x', 'x', 'y'), GROUP_CONCAT(id) FROM t")
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for name, statement in (MYSQL if dialect == "mysql" else SQLITE).items():
        print(json.dumps(attack(dialect, name, statement) | {"base": base}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
