"""What SHOW lists of the server itself, the same for everybody: storage engines, character sets, collations."""

from __future__ import annotations

Row = tuple[str | int | None, ...]

_CHARACTER_SETS = """
armscii8|ARMSCII-8 Armenian|armscii8_general_ci|1
ascii|US ASCII|ascii_general_ci|1
big5|Big5 Traditional Chinese|big5_chinese_ci|2
binary|Binary pseudo charset|binary|1
cp1250|Windows Central European|cp1250_general_ci|1
cp1251|Windows Cyrillic|cp1251_general_ci|1
cp1256|Windows Arabic|cp1256_general_ci|1
cp1257|Windows Baltic|cp1257_general_ci|1
cp850|DOS West European|cp850_general_ci|1
cp852|DOS Central European|cp852_general_ci|1
cp866|DOS Russian|cp866_general_ci|1
cp932|SJIS for Windows Japanese|cp932_japanese_ci|2
dec8|DEC West European|dec8_swedish_ci|1
eucjpms|UJIS for Windows Japanese|eucjpms_japanese_ci|3
euckr|EUC-KR Korean|euckr_korean_ci|2
gb18030|China National Standard GB18030|gb18030_chinese_ci|4
gb2312|GB2312 Simplified Chinese|gb2312_chinese_ci|2
gbk|GBK Simplified Chinese|gbk_chinese_ci|2
geostd8|GEOSTD8 Georgian|geostd8_general_ci|1
greek|ISO 8859-7 Greek|greek_general_ci|1
hebrew|ISO 8859-8 Hebrew|hebrew_general_ci|1
hp8|HP West European|hp8_english_ci|1
keybcs2|DOS Kamenicky Czech-Slovak|keybcs2_general_ci|1
koi8r|KOI8-R Relcom Russian|koi8r_general_ci|1
koi8u|KOI8-U Ukrainian|koi8u_general_ci|1
latin1|cp1252 West European|latin1_swedish_ci|1
latin2|ISO 8859-2 Central European|latin2_general_ci|1
latin5|ISO 8859-9 Turkish|latin5_turkish_ci|1
latin7|ISO 8859-13 Baltic|latin7_general_ci|1
macce|Mac Central European|macce_general_ci|1
macroman|Mac West European|macroman_general_ci|1
sjis|Shift-JIS Japanese|sjis_japanese_ci|2
swe7|7bit Swedish|swe7_swedish_ci|1
tis620|TIS620 Thai|tis620_thai_ci|1
ucs2|UCS-2 Unicode|ucs2_general_ci|2
ujis|EUC-JP Japanese|ujis_japanese_ci|3
utf16|UTF-16 Unicode|utf16_general_ci|4
utf16le|UTF-16LE Unicode|utf16le_general_ci|4
utf32|UTF-32 Unicode|utf32_general_ci|4
utf8mb3|UTF-8 Unicode|utf8mb3_general_ci|3
utf8mb4|UTF-8 Unicode|utf8mb4_0900_ai_ci|4
"""
_ENGINES = """
ndbcluster|NO|Clustered, fault-tolerant tables
FEDERATED|NO|Federated MySQL storage engine
MEMORY|YES|Hash based, stored in memory, useful for temporary tables|NO|NO|NO
InnoDB|DEFAULT|Supports transactions, row-level locking, and foreign keys|YES|YES|YES
PERFORMANCE_SCHEMA|YES|Performance Schema|NO|NO|NO
MyISAM|YES|MyISAM storage engine|NO|NO|NO
ndbinfo|NO|MySQL Cluster system information storage engine
MRG_MYISAM|YES|Collection of identical MyISAM tables|NO|NO|NO
BLACKHOLE|YES|/dev/null storage engine (anything you write to it disappears)|NO|NO|NO
CSV|YES|CSV storage engine|NO|NO|NO
ARCHIVE|YES|Archive storage engine|NO|NO|NO
"""


def _rows(text: str, width: int) -> list[Row]:
    rows: list[Row] = []
    for line in text.strip().splitlines():
        cells = [int(cell) if cell.isdigit() else cell for cell in line.split("|")]
        rows.append((*cells, *[None] * (width - len(cells))))
    return rows


# What SHOW asks for -> the names of its columns, and its rows.
LISTINGS: dict[str, tuple[list[str], list[Row]]] = {
    "character set": (["Charset", "Description", "Default collation", "Maxlen"], _rows(_CHARACTER_SETS, 4)),
    "engines": (["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"], _rows(_ENGINES, 6)),
    "routines": (["Db", "Name", "Type", "Language", "Definer", "Modified", "Created", "Security_type", "Comment",
                  "character_set_client", "collation_connection", "Database Collation"], []),
    "profiles": (["Query_ID", "Duration", "Query"], []),
    "processlist": (["Id", "User", "Host", "db", "Command", "Time", "State", "Info"],
                    [(1, "agent", "localhost", "dbbx", "Query", 0, "init", "SHOW PROCESSLIST")]),
}  # fmt: skip

# Collation -> its row in SHOW COLLATION.
COLLATIONS: dict[str, Row] = {
    str(row[0]): row
    for row in (
        ("ascii_general_ci", "ascii", 11, "Yes", "Yes", 1, "PAD SPACE"),
        ("binary", "binary", 63, "Yes", "Yes", 1, "NO PAD"),
        ("latin1_bin", "latin1", 47, "", "Yes", 1, "PAD SPACE"),
        ("latin1_general_ci", "latin1", 48, "", "Yes", 1, "PAD SPACE"),
        ("latin1_general_cs", "latin1", 49, "", "Yes", 1, "PAD SPACE"),
        ("latin1_swedish_ci", "latin1", 8, "Yes", "Yes", 1, "PAD SPACE"),
        ("utf8mb3_bin", "utf8mb3", 83, "", "Yes", 1, "PAD SPACE"),
        ("utf8mb3_general_ci", "utf8mb3", 33, "Yes", "Yes", 1, "PAD SPACE"),
        ("utf8mb3_unicode_ci", "utf8mb3", 192, "", "Yes", 8, "PAD SPACE"),
        ("utf8mb4_0900_ai_ci", "utf8mb4", 255, "Yes", "Yes", 0, "NO PAD"),
        ("utf8mb4_0900_as_ci", "utf8mb4", 305, "", "Yes", 0, "NO PAD"),
        ("utf8mb4_0900_as_cs", "utf8mb4", 278, "", "Yes", 0, "NO PAD"),
        ("utf8mb4_0900_bin", "utf8mb4", 309, "", "Yes", 1, "NO PAD"),
        ("utf8mb4_bin", "utf8mb4", 46, "", "Yes", 1, "PAD SPACE"),
        ("utf8mb4_general_ci", "utf8mb4", 45, "", "Yes", 1, "PAD SPACE"),
        ("utf8mb4_unicode_520_ci", "utf8mb4", 246, "", "Yes", 8, "PAD SPACE"),
        ("utf8mb4_unicode_ci", "utf8mb4", 224, "", "Yes", 8, "PAD SPACE"),
    )
}
