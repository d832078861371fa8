"""What MySQL says when it refuses: error numbers, SQLSTATEs and texts (MySQL 9 error message reference)."""

from __future__ import annotations

# Number -> (SQLSTATE, text). The SQLSTATE HY000 is MySQL's "no better one".
TEXTS: dict[int, tuple[str, str]] = {
    1044: ("42000", "Access denied for user '{}'@'localhost' to database '{}'"),
    1045: ("28000", "Access denied for user '{}'@'localhost' (using password: NO)"),
    1046: ("3D000", "No database selected"),
    1049: ("42000", "Unknown database '{}'"),
    1051: ("42S02", "Unknown table '{}'"),
    1052: ("23000", "Column '{}' in {} is ambiguous"),
    1054: ("42S22", "Unknown column '{}' in '{}'"),
    1056: ("42000", "Can't group on '{}'"),
    1059: ("42000", "Identifier name '{}' is too long"),
    1060: ("42S21", "Duplicate column name '{}'"),
    1064: (
        "42000",
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version "
        "for the right syntax to use near '{}' at line {}",
    ),
    1065: ("42000", "Query was empty"),
    1066: ("42000", "Not unique table/alias: '{}'"),
    1093: ("HY000", "You can't specify target table '{}' for update in FROM clause"),
    1094: ("HY000", "Unknown thread id: {}"),
    1096: ("HY000", "No tables used"),
    1103: ("42000", "Incorrect table name '{}'"),
    1104: ("42000", "The SELECT would examine more than MAX_JOIN_SIZE rows; check your WHERE and use SET "
           "SQL_BIG_SELECTS=1 or SET MAX_JOIN_SIZE=# if the SELECT is okay"),
    1105: ("HY000", "Unknown error"),
    1109: ("42S02", "Unknown table '{}' in {}"),
    1110: ("42000", "Column '{}' specified twice"),
    1111: ("HY000", "Invalid use of group function"),
    1114: ("HY000", "The table '{}' is full"),
    1115: ("42000", "Unknown character set: '{}'"),
    1116: ("HY000", "Too many tables; MySQL can only use {} tables in a join"),
    1117: ("HY000", "Too many columns"),
    1136: ("21S01", "Column count doesn't match value count at row {}"),
    1140: (
        "42000",
        "In aggregated query without GROUP BY, expression #{} of {} contains nonaggregated column '{}'; "
        "this is incompatible with sql_mode=only_full_group_by",
    ),
    1055: (
        "42000",
        "Expression #{} of {} is not in GROUP BY clause and contains nonaggregated column '{}' which is not "
        "functionally dependent on columns in GROUP BY clause; this is incompatible with "
        "sql_mode=only_full_group_by",
    ),
    1142: ("42000", "{} command denied to user '{}'@'localhost' for table '{}'"),
    1146: ("42S02", "Table '{}.{}' doesn't exist"),
    1153: ("08S01", "Got a packet bigger than 'max_allowed_packet' bytes"),
    1166: ("42000", "Incorrect column name '{}'"),
    1191: ("HY000", "Can't find FULLTEXT index matching the column list"),
    1193: ("HY000", "Unknown system variable '{}'"),
    1197: ("HY000", "Multi-statement transaction required more than 'max_binlog_cache_size' bytes of storage; increase "
           "this mysqld variable and try again"),
    1210: ("HY000", "Incorrect arguments to {}"),
    1172: ("42000", "Result consisted of more than one row"),
    1221: ("HY000", "Incorrect usage of {} and {}"),
    1229: ("HY000", "Variable '{}' is a GLOBAL variable and should be set with SET GLOBAL"),
    1231: ("42000", "Variable '{}' can't be set to the value of '{}'"),
    1232: ("42000", "Incorrect argument type to variable '{}'"),
    1238: ("HY000", "Variable '{}' is a {} variable"),
    1222: ("21000", "The used SELECT statements have a different number of columns"),
    1227: ("42000", "Access denied; you need (at least one of) the {} privilege(s) for this operation"),
    1235: ("42000", "This version of MySQL doesn't yet support '{}'"),
    1241: ("21000", "Operand should contain {} column(s)"),
    1242: ("21000", "Subquery returns more than 1 row"),
    1243: ("HY000", "Unknown prepared statement handler ({}) given to {}"),
    1247: ("42S22", "Reference '{}' not supported ({})"),
    1248: ("42000", "Every derived table must have its own alias"),
    1250: ("42000", "Table '{}' from one of the SELECTs cannot be used in {}"),
    1253: ("42000", "COLLATION '{}' is not valid for CHARACTER SET '{}'"),
    1273: ("HY000", "Unknown collation: '{}'"),
    1260: ("HY000", "Row {} was cut by GROUP_CONCAT()"),
    1264: ("22003", "Out of range value for column '{}' at row {}"),
    1288: ("HY000", "The target table {} of the {} is not updatable"),
    1290: ("HY000", "The MySQL server is running with the {} option so it cannot execute this statement"),
    1292: ("22007", "{} value: '{}'"),
    1295: ("HY000", "This command is not supported in the prepared statement protocol yet"),
    1300: ("HY000", "Invalid utf8mb4 character string: '{}'"),
    1305: ("42000", "{} {} does not exist"),
    1327: ("42000", "Undeclared variable: {}"),
    1347: ("HY000", "'{}' is not {}"),
    1353: ("HY000", "In definition of view, derived table or common table expression, SELECT list and column names "
           "list have different column counts"),
    1360: ("HY000", "Trigger does not exist"),
    1365: ("22012", "Division by 0"),
    1366: ("HY000", "Incorrect {} value: '{}' for column '{}' at row {}"),
    1370: ("42000", "{} command denied to user '{}'@'localhost' for routine '{}'"),
    1411: ("HY000", "Incorrect {} value: '{}' for function {}"),
    1425: ("42000", "Too-big scale {} specified for column '{}'. Maximum is {}."),
    1426: ("42000", "Too-big precision {} specified for '{}'. Maximum is {}."),
    1427: ("42000", "For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '{}')."),
    1436: (
        "HY000",
        "Thread stack overrun:  {} bytes used of a 1048576 byte stack, and 20000 bytes needed.  Use 'mysqld "
        "--thread_stack=#' to specify a bigger stack.",
    ),
    1441: ("22008", "Datetime function: {} field overflow"),
    1439: ("42000", "Display width out of range for column '{}' (max = {})"),
    1525: ("HY000", "Incorrect {} value: '{}'"),
    1582: ("42000", "Incorrect parameter count in the call to native function '{}'"),
    1583: ("42000", "Incorrect parameters in the call to native function '{}'"),
    1630: (
        "42000",
        "FUNCTION {} does not exist. Check the 'Function Name Parsing and Resolution' section in the Reference Manual",
    ),
    1690: ("22003", "{} value is out of range in '{}'"),
    1792: ("25006", "Cannot execute statement in a READ ONLY transaction."),
    3020: ("2201E", "Invalid argument for logarithm"),
    3024: ("HY000", "Query execution was interrupted, maximum statement execution time exceeded"),
    3028: (
        "HY000",
        "Expression #{} of ORDER BY contains aggregate function and applies to a UNION, EXCEPT or INTERSECT",
    ),
    3029: ("HY000", "Expression #{} of ORDER BY contains aggregate function and applies to the result of a "
           "non-aggregated query"),
    3065: ("HY000", "Expression #{} of ORDER BY clause is not in SELECT list, references column '{}' which is not "
           "in SELECT list; this is incompatible with {}"),
    3064: ("HY000", "Incorrect type for argument {} in function {}."),
    3141: ("22032", "Invalid JSON text in argument {} to function {}: \"{}\" at position {}."),
    3143: ("42000", "Invalid JSON path expression. The error is around character position {}."),
    3144: ("22032", "Cannot create a JSON value from a string with CHARACTER SET '{}'."),
    3146: ("22032", "Invalid data type for JSON data in argument {} to function {}; a JSON string or JSON type is "
           "required."),
    3149: ("42000", "In this situation, path expressions may not contain the * and ** tokens or an array range."),
    3153: ("42000", "The path expression '$' is not allowed in this context."),
    3154: ("42000", "The oneOrAll argument to {} may take these values: 'one' or 'all'."),
    3157: ("22032", "The JSON document exceeds the maximum depth."),
    3158: ("22032", "JSON documents may not contain NULL member names."),
    3165: ("42000", "A path expression is not a path to a cell in an array."),
    3579: ("HY000", "Window name '{}' is not defined."),
    3584: ("HY000", "Window '{}': frame start cannot be UNBOUNDED FOLLOWING."),
    3585: ("HY000", "Window '{}': frame end cannot be UNBOUNDED PRECEDING."),
    3586: ("HY000", "Window '{}': frame start or end is negative, NULL or of non-integral type"),
    3587: (
        "HY000",
        "Window '{}' with RANGE N PRECEDING/FOLLOWING frame requires exactly one ORDER BY expression, of numeric or "
        "temporal type",
    ),
    3588: (
        "HY000",
        "Window '{}' with RANGE frame has ORDER BY expression of datetime type. Only INTERVAL bound value allowed.",
    ),
    3593: ("HY000", "You cannot use the window function '{}' in this context.'"),
    3577: ("HY000", "In recursive query block of Recursive Common Table Expression '{}', the recursive table must be "
           "referenced only once, and not in any subquery"),
    3602: ("HY000", "Argument #{} of GROUPING function is not in GROUP BY"),
    3636: ("HY000", "Recursive query aborted after {} iterations. Try increasing @@cte_max_recursion_depth to a "
           "larger value."),
    3954: ("HY000", "Misplaced INTO clause, INTO is not allowed inside subqueries, and must be placed at end of UNION "
           "clauses."),
    3685: ("HY000", "Illegal argument to a regular expression."),
    3691: ("HY000", "Mismatched parenthesis in regular expression."),
    3696: ("HY000", "The regular expression contains an unclosed bracket expression."),
    3688: ("HY000", "Syntax error in regular expression on line {}, character {}."),
    3948: ("42000", "Loading local data is disabled; this must be enabled on both the client and server sides"),
    3699: ("HY000", "Timeout exceeded in regular expression match."),
    6037: ("HY000", "'{}' can be used only if the hypergraph optimizer is enabled."),
}  # fmt: skip

USER = "agent"
DATABASE = "dbbx"


class MySQLError(Exception):
    """An answer of MySQL's that is an error. `str()` gives `NUMBER (SQLSTATE): TEXT`, as connectors print it."""

    def __init__(self, number: int, *details: object) -> None:
        self.number = number
        self.sqlstate, text = TEXTS[number]
        self.text = text.format(*details)
        super().__init__(f"{number} ({self.sqlstate}): {self.text}")


class Unsupported(Exception):
    """What MySQL can do and this layer cannot. Raised while a statement is planned, or its variables are set."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"Not supported by this sandbox: {what}. MySQL would run it; this is a limit of the sandbox, not an error "
            "in the statement. Write it in another way."
        )


def denied(command: str, thing: str) -> MySQLError:
    """The refusal of a command that the agent's user has no right to."""
    return MySQLError(1142, command, USER, thing)


def syntax_error(sql: str, position: int) -> MySQLError:
    """Error 1064 at the token that begins at `position`: MySQL quotes 80 bytes from there."""
    near = sql[position : position + 80].encode("utf-8", "replace")[:80].decode("utf-8", "ignore")
    return MySQLError(1064, near, 1 + sql.count("\n", 0, position))
