"""System variables: their values in a fresh session of MySQL 9, and which of them a session may set.

Source: MySQL's reference manual, "Server System Variables". Paths, keys and the like, which say something about a
machine, are left out: asking for one of those is `Unsupported`.
"""

from __future__ import annotations

from dataclasses import dataclass

from envs.dbbench.mysql.errors import MySQLError, Unsupported
from envs.dbbench.mysql.session import SQL_MODE, Cell, Session

VERSION = "9.7.0"


@dataclass(frozen=True, slots=True)
class SystemVariable:
    """`kind`: int, switch (0 or 1, shown as OFF and ON), text. `scope`: both, global, session, or read only."""

    value: Cell
    kind: str
    scope: str


def _table(text: str, scope: str) -> dict[str, SystemVariable]:
    """Lines of `name value`; ON and OFF are switches, `NULL` and `""` what they say."""
    found = {}
    for line in text.strip().splitlines():
        name, _, value = line.strip().partition(" ")
        if value in ("ON", "OFF"):
            found[name] = SystemVariable(int(value == "ON"), "switch", scope)
        elif value.lstrip("-").isdigit():
            found[name] = SystemVariable(int(value), "int", scope)
        else:
            found[name] = SystemVariable(None if value == "NULL" else value.strip('"'), "text", scope)
    return found


SYSTEM_VARIABLES = {
    **_table(
        f"""
        auto_increment_increment 1
        auto_increment_offset 1
        autocommit ON
        big_tables OFF
        bulk_insert_buffer_size 8388608
        character_set_client utf8mb4
        character_set_connection utf8mb4
        character_set_database utf8mb4
        character_set_filesystem binary
        character_set_results utf8mb4
        character_set_server utf8mb4
        collation_connection utf8mb4_0900_ai_ci
        collation_database utf8mb4_0900_ai_ci
        collation_server utf8mb4_0900_ai_ci
        completion_type NO_CHAIN
        cte_max_recursion_depth 1000
        default_storage_engine InnoDB
        default_tmp_storage_engine InnoDB
        default_week_format 0
        div_precision_increment 4
        end_markers_in_json OFF
        eq_range_index_dive_limit 200
        explain_format TREE
        explicit_defaults_for_timestamp ON
        foreign_key_checks ON
        group_concat_max_len 1024
        information_schema_stats_expiry 86400
        innodb_lock_wait_timeout 50
        innodb_strict_mode ON
        interactive_timeout 28800
        join_buffer_size 262144
        lc_messages en_US
        lc_time_names en_US
        lock_wait_timeout 31536000
        long_query_time 10
        low_priority_updates OFF
        max_execution_time 0
        max_heap_table_size 16777216
        max_join_size 18446744073709551615
        max_length_for_sort_data 4096
        max_points_in_geometry 65536
        max_seeks_for_key 18446744073709551615
        max_sort_length 1024
        max_sp_recursion_depth 0
        min_examined_row_limit 0
        net_read_timeout 30
        net_retry_count 10
        net_write_timeout 60
        old_alter_table OFF
        optimizer_prune_level 1
        optimizer_search_depth 62
        preload_buffer_size 32768
        profiling OFF
        profiling_history_size 15
        range_optimizer_max_mem_size 8388608
        read_buffer_size 131072
        read_rnd_buffer_size 262144
        sort_buffer_size 262144
        sql_auto_is_null OFF
        sql_big_selects ON
        sql_buffer_result OFF
        sql_mode {SQL_MODE}
        sql_notes ON
        sql_quote_show_create ON
        sql_safe_updates OFF
        sql_select_limit 18446744073709551615
        sql_generate_invisible_primary_key OFF
        sql_require_primary_key OFF
        sql_warnings OFF
        time_zone SYSTEM
        tmp_table_size 16777216
        transaction_alloc_block_size 8192
        transaction_isolation REPEATABLE-READ
        transaction_prealloc_size 4096
        transaction_read_only OFF
        unique_checks ON
        updatable_views_with_limit YES
        wait_timeout 28800
        windowing_use_high_precision ON
        """,
        "both",
    ),
    **_table(
        """
        binlog_format ROW
        max_allowed_packet 67108864
        net_buffer_length 16384
        max_user_connections 0
        """,
        "read only in a session",
    ),
    **_table(
        """
        event_scheduler ON
        sql_log_off OFF
        sql_replica_skip_counter 0
        flush OFF
        flush_time 0
        general_log OFF
        innodb_buffer_pool_size 134217728
        innodb_file_per_table ON
        innodb_flush_log_at_trx_commit 1
        local_infile OFF
        log_output FILE
        max_connect_errors 100
        max_connections 151
        max_prepared_stmt_count 16382
        open_files_limit 1048576
        read_only OFF
        slow_query_log OFF
        super_read_only OFF
        sync_binlog 1
        table_definition_cache 2000
        table_open_cache 4000
        thread_cache_size 9
        """,
        "global",
    ),
    **_table(
        f"""
        back_log 151
        character_sets_dir /usr/share/mysql-9.7/charsets/
        character_set_system utf8mb3
        have_profiling YES
        innodb_page_size 16384
        innodb_version {VERSION}
        large_files_support ON
        license GPL
        lower_case_file_system OFF
        lower_case_table_names 0
        performance_schema ON
        port 3306
        protocol_version 10
        skip_networking OFF
        system_time_zone UTC
        thread_stack 1048576
        version {VERSION}
        version_comment MySQL Community Server - GPL
        version_compile_machine x86_64
        version_compile_os Linux
        version_compile_zlib 1.3.1
        """,
        "read only",
    ),
    **_table(
        """
        error_count 0
        warning_count 0
        identity 0
        insert_id 0
        last_insert_id 0
        pseudo_thread_id 1
        rand_seed1 0
        rand_seed2 0
        sql_log_bin ON
        """,
        "session",
    ),
}

# Variables of MySQL's that are left out, by how their names begin.
_OTHERS = tuple(
    """
    admin_ authentication_ auto_generate_ basedir bind_ binlog_ build_id caching_sha2_ check_proxy_ connect_
    connection_ create_admin_ datadir debug default_ delay_ disabled_ div_ enforce_ error_ external_user ft_
    general_ generated_ global_ gtid_ have_ histogram_ host_cache hostname init_ innodb_ internal_ keep_files key_
    keyring_ large_ lc_ locked_ log_ mandatory_ master_ max_ myisam_ mysqlx_ named_ net_ ngram_ offline_ open
    optimizer_ original_ parser_ partial_ password_ performance_schema_ persist pid_file plugin_ print_ protocol_
    proxy_ pseudo_ query_ regexp_ relay_ replica_ report_ require_ resultset_ rpl_ schema_ secondary_ secure_
    select_ server_ session_track set_operations_ sha256_ show_ skip_ slave_ slow_ socket source_ ssl_ statement_id
    stored_ super_ sync_ table_encryption table_open_cache_ tablespace_ temptable_ terminology_ thread_ timestamp
    tls_ tmpdir unique_subquery use_ validate_ version_tokens xa_
    """.split()  # noqa: SIM905
)

# sql_mode's names that change nothing else than what this layer knows; the others change how text is read.
_MODES = ("ONLY_FULL_GROUP_BY", "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "NO_ZERO_IN_DATE", "NO_ZERO_DATE",
          "ERROR_FOR_DIVISION_BY_ZERO", "NO_ENGINE_SUBSTITUTION")  # fmt: skip
_INERT_MODES = ("NO_AUTO_VALUE_ON_ZERO", "NO_DIR_IN_CREATE", "ALLOW_INVALID_DATES", "TIME_TRUNCATE_FRACTIONAL")
_SYNTAX_MODES = ("REAL_AS_FLOAT", "PIPES_AS_CONCAT", "ANSI_QUOTES", "IGNORE_SPACE", "NO_UNSIGNED_SUBTRACTION",
                 "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH", "HIGH_NOT_PRECEDENCE", "ANSI")  # fmt: skip
_TRADITIONAL = ("STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
                "TRADITIONAL,NO_ENGINE_SUBSTITUTION")  # fmt: skip


# Variables that change what statements do or answer, and here do not.
_FIXED = frozenset(
    """
    collation_connection completion_type cte_max_recursion_depth default_week_format div_precision_increment
    lc_time_names max_join_size sql_auto_is_null sql_safe_updates sql_select_limit time_zone transaction_read_only
    """.split()  # noqa: SIM905
)


def system_variable(name: str) -> SystemVariable:
    """A variable by its name. Raises 1193 for one that MySQL does not have."""
    found = SYSTEM_VARIABLES.get(name.lower())
    if found is not None:
        return found
    if name.lower().startswith(_OTHERS):
        raise Unsupported(f"the system variable {name}")
    raise MySQLError(1193, name)


def check_listed(pattern: str) -> None:
    """Raises Unsupported where a pattern of LIKE means variables that are left out."""
    prefix = pattern.replace("\\_", "_").lower().partition("%")[0]
    left_out = prefix.startswith(_OTHERS) or any(other.startswith(prefix) for other in _OTHERS)
    if prefix and prefix not in SYSTEM_VARIABLES and left_out:
        raise Unsupported(f"SHOW VARIABLES LIKE '{pattern}'")


def current(session: Session, name: str, scope: str = "") -> tuple[SystemVariable, Cell]:
    """A variable and its value. Raises 1193; 1238 for a scope that the variable does not have."""
    variable = system_variable(name)
    if scope in ("session", "local") and variable.scope in ("global", "read only"):
        raise MySQLError(1238, name, "GLOBAL")
    if scope == "global" and variable.scope == "session":
        raise MySQLError(1238, name, "SESSION")
    settled = variable.value if scope == "global" else session.settings.get(name.lower(), variable.value)
    return variable, settled


def check_settable(name: str, scope: str) -> SystemVariable:
    """The variable that SET is to change. Raises what MySQL answers where the agent's user may not."""
    variable = system_variable(name)
    if variable.scope == "read only":
        raise MySQLError(1238, name, "read only")
    if scope in ("global", "persist", "persist_only"):
        raise MySQLError(1227, "SUPER or SYSTEM_VARIABLES_ADMIN")
    if variable.scope == "global":
        raise MySQLError(1229, name)
    if variable.scope == "read only in a session":
        raise MySQLError(1238, name, "read only")
    if name.lower() == "sql_log_bin":
        raise MySQLError(1227, "SUPER, SYSTEM_VARIABLES_ADMIN or SESSION_VARIABLES_ADMIN")
    return variable


def setting(name: str, variable: SystemVariable, value: Cell) -> Cell:
    """The value as the variable keeps it. Raises 1231 and 1232 for one that it does not take, Unsupported for one that
    would have an effect that this layer does not have."""
    if name.lower() == "sql_mode":
        return _sql_mode(value)
    kept = _kept(name, variable, value)
    if name.lower() in _FIXED and str(kept).lower() != str(variable.value).lower():
        raise Unsupported(f"the system variable {name} with another value than {variable.value}")
    return kept


def _kept(name: str, variable: SystemVariable, value: Cell) -> Cell:
    if variable.kind == "switch":
        switched = {"on": 1, "true": 1, "1": 1, "off": 0, "false": 0, "0": 0}.get(str(value).lower())
        if switched is None:
            raise MySQLError(1231, name, "NULL" if value is None else value)
        return switched
    if variable.kind == "int":
        if not isinstance(value, int):
            raise MySQLError(1232, name)
        return value
    if value is None:
        raise MySQLError(1231, name, "NULL")
    return str(value)


def _sql_mode(value: Cell) -> str:
    if value is None:
        raise MySQLError(1231, "sql_mode", "NULL")
    if isinstance(value, int) and value == 0:
        return ""
    names = [name.strip().upper() for name in str(value).split(",") if name.strip()]
    if "TRADITIONAL" in names:
        names = [*names, *_TRADITIONAL.split(",")]
    for name in names:
        if name in _SYNTAX_MODES:
            raise Unsupported(f"the SQL mode {name}")
        if name not in (*_MODES, *_INERT_MODES, "TRADITIONAL"):
            raise MySQLError(1231, "sql_mode", name)
    order = [*_MODES[:5], *_INERT_MODES, "ERROR_FOR_DIVISION_BY_ZERO", "TRADITIONAL", "NO_ENGINE_SUBSTITUTION"]
    return ",".join(name for name in order if name in names)
