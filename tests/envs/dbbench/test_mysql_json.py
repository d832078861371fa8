"""JSON: documents and paths, the functions on them, and how a document compares."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_helpers import column, error, one, rows

from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.jsonvalues import _Finder, dump, key, load, parse

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
DOCUMENT = '{"id": 7, "tags": ["a", "b"], "at": {"x": 1.50, "y y": null}}'


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (
            "JSON_ARRAY(1, 'a', NULL, 1.50, 2e0, TRUE, 1 = 2, JSON_ARRAY())",
            '[1, "a", null, 1.50, 2.0, true, false, []]',
        ),
        ("JSON_OBJECT('ccc', 1, 'b', 2, 'a', 3)", '{"a": 3, "b": 2, "ccc": 1}'),
        ("JSON_OBJECT('a', 1, 'a', 2)", '{"a": 2}'),
        ("JSON_QUOTE('a\"b')", '"a\\"b"'),
        ("JSON_UNQUOTE('\"a\\\\u00e9\"')", "aé"),
        ("JSON_UNQUOTE('plain')", "plain"),
        ('CAST(\'{"b" : 1,"a":[1 , 2]}\' AS JSON)', '{"a": [1, 2], "b": 1}'),
        ("CAST(1.5 AS JSON)", "1.5"),
        ("JSON_TYPE('[]')", "ARRAY"),
        ("JSON_TYPE('18446744073709551615')", "UNSIGNED INTEGER"),
        ("JSON_VALID('{}')", 1),
        ("JSON_VALID('{a}')", 0),
        ("JSON_VALID(NULL)", None),
        ("JSON_VALID(1)", 0),
        ("JSON_DEPTH('[1, [2]]')", 3),
        ("JSON_PRETTY('[1, {}]')", "[\n  1,\n  {}\n]"),
    ],
)
def test_documents_are_made_and_printed_as_by_the_server(expression: str, value: object) -> None:
    assert one(expression) == value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", '{"at": {"x": 1.5, "y y": null}, "id": 7, "tags": ["a", "b"]}'),
        ("$.id", "7"),
        ("$.tags[0]", '"a"'),
        ("$.tags[last]", '"b"'),
        ("$.tags[last-1]", '"a"'),
        ("$.tags[5]", None),
        ("$.tags[0 to 1]", '["a", "b"]'),
        ("$.tags[*]", '["a", "b"]'),
        ("$.id[0]", "7"),
        ('$.at."y y"', "null"),
        ("$.at.*", "[1.5, null]"),
        ("$**.x", "[1.5]"),
        ("$.none", None),
    ],
)
def test_paths_name_places_in_a_document(path: str, value: object) -> None:
    assert one(f"JSON_EXTRACT('{DOCUMENT}', '{path}')") == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("JSON_EXTRACT('[1, 2]', '$[0]', '$[1]')", "[1, 2]"),
        ("JSON_LENGTH('{\"a\": [1, 2]}', '$.a')", 2),
        ("JSON_LENGTH('3')", 1),
        ('JSON_KEYS(\'{"bb": 1, "c": 2}\')', '["c", "bb"]'),
        ("JSON_KEYS('[1]')", None),
        ("JSON_CONTAINS('[1, [2, 3]]', '[2]')", 0),
        ("JSON_CONTAINS('[1, [2, 3]]', '[[2]]')", 1),
        ('JSON_CONTAINS(\'{"a": 1, "b": 2}\', \'{"b": 2.0}\')', 1),
        ("JSON_CONTAINS('{\"a\": [1]}', '1', '$.b')", None),
        ("JSON_CONTAINS_PATH('{\"a\": 1}', 'all', '$.a', '$.b')", 0),
        ("JSON_OVERLAPS('[1, 2]', '[2, 9]')", 1),
        ("2 MEMBER OF ('[1, 2]')", 1),
        ("'2' MEMBER OF ('[1, 2]')", 0),
        ('JSON_SEARCH(\'{"a": "abc", "b": ["abx"]}\', \'all\', \'ab_\')', '["$.a", "$.b[0]"]'),
        ("JSON_SEARCH('[\"ABC\"]', 'one', 'abc')", None),
        ("JSON_SET('{\"a\": 1}', '$.a', 2, '$.b.c', 3, '$.d', 'x')", '{"a": 2, "d": "x"}'),
        ("JSON_SET('[1]', '$[3]', 2)", "[1, 2]"),
        ("JSON_SET('1', '$[1]', 2)", "[1, 2]"),
        ("JSON_INSERT('{\"a\": 1}', '$.a', 2, '$.b', JSON_ARRAY())", '{"a": 1, "b": []}'),
        ("JSON_REPLACE('{\"a\": 1}', '$.a', '1', '$.b', 2)", '{"a": "1"}'),
        ("JSON_REMOVE('[1, 2, 3]', '$[last]', '$[0]')", "[2]"),
        ("JSON_ARRAY_APPEND('{\"a\": 1}', '$.a', 2)", '{"a": [1, 2]}'),
        ("JSON_ARRAY_INSERT('[1, 2]', '$[1]', 9)", "[1, 9, 2]"),
        ('JSON_MERGE_PATCH(\'{"a": 1, "b": {"c": 1}}\', \'{"a": null, "b": {"d": 2}}\')', '{"b": {"c": 1, "d": 2}}'),
        ("JSON_MERGE_PRESERVE('{\"a\": 1}', '{\"a\": 2}')", '{"a": [1, 2]}'),
        ("JSON_VALUE('{\"a\": \"2.5\"}', '$.a')", "2.5"),
        ("JSON_VALUE('{\"a\": 2.5}', '$.a' RETURNING SIGNED)", 2),
        ("JSON_SET(NULL, '$.a', 1)", None),
    ],
)
def test_functions_answer_as_mysqls(expression: str, value: object) -> None:
    assert one(expression) == value


def test_a_columns_path_stands_for_the_extracted_value() -> None:
    made = '(SELECT \'{"a": "x", "n": 10}\' AS doc) d'
    assert rows(f"SELECT doc->'$.a', d.doc->>'$.a', doc->'$.n' + 1 FROM {made}") == [('"x"', "x", 11.0)]
    assert error("SELECT '{}'->'$.a'").startswith("1064 (42000)")
    assert error("SELECT Name->'$.a' FROM Players") == (
        '3141 (22032): Invalid JSON text in argument 1 to function json_extract: "Invalid value." at position 0.'
    )


def test_a_document_compares_by_its_type_and_value() -> None:
    assert one("JSON_EXTRACT('[1]', '$[0]') = 1")
    assert not one("JSON_EXTRACT('[1]', '$[0]') = '1'")
    assert one("JSON_EXTRACT('[\"a\"]', '$[0]') = 'a'")
    assert not one("JSON_EXTRACT('[\"a\"]', '$[0]') = 'A'")
    assert one("JSON_UNQUOTE('a') <> 'A'")
    assert one('CAST(\'{"a": 1, "b": 2}\' AS JSON) = CAST(\'{"b": 2, "a": 1.0}\' AS JSON)')
    ordered = "SELECT j FROM (VALUES ROW(CAST('\"b\"' AS JSON)), ROW(CAST('10' AS JSON)), ROW(CAST('9' AS JSON))) v(j)"
    assert column(f"{ordered} ORDER BY j") == ["9", "10", '"b"']


def test_groups_are_collected_into_documents() -> None:
    assert column("SELECT JSON_ARRAYAGG(City) FROM Clubs") == ['["Amsterdam", "Porto", null]']
    assert rows("SELECT Team, JSON_OBJECTAGG(Name, Goals + 0) FROM Players GROUP BY Team LIMIT 1") == [
        ("Real Madrid", '{"jose": 7.0, "José": 12.0}')
    ]
    assert column("SELECT JSON_ARRAYAGG(Team) FROM Clubs WHERE 0") == [None]


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ("", "The document is empty.", 0),
        ("x", "Invalid value.", 0),
        ("tru", "Invalid value.", 3),
        ("1 2", "The document root must not be followed by other values.", 2),
        ("{a}", "Missing a name for object member.", 1),
        ('{"a" 1}', "Missing a colon after a name of object member.", 5),
        ('{"é": 1', "Missing a comma or } after an object member.", 8),
        ("[1 2]", "Missing a comma or ] after an array element.", 3),
        ('"ab', "Missing a closing quotation mark in string.", 3),
        ('"\\x"', "Invalid escape character in string.", 1),
        ("1.", "Miss fraction part in number.", 2),
        ("1e", "Miss exponent in number.", 2),
        ("1e999", "Number too big to be stored in double.", 0),
        ("NaN", "Invalid value.", 0),
    ],
)
def test_what_is_no_json_is_refused_with_reason_and_position(text: str, reason: str, place: int) -> None:
    with pytest.raises(MySQLError) as refused:
        parse(text, 1, "json_extract")
    assert refused.value.number == 3141
    assert refused.value.text.endswith(f'"{reason}" at position {place}.')


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ("JSON_EXTRACT('{}', 'a')", 3143),
        ("JSON_EXTRACT('{}', '$.')", 3143),
        ("JSON_EXTRACT('{}', '$[-1]')", 3143),
        ("JSON_EXTRACT('{}', '$**')", 3143),
        ("JSON_EXTRACT(1, '$')", 3146),
        ("JSON_EXTRACT(x'7B7D', '$')", 3144),
        ("JSON_SET('{}', '$.*', 1)", 3149),
        ("JSON_REMOVE('{}', '$')", 3153),
        ("JSON_CONTAINS_PATH('{}', 'some', '$.a')", 3154),
        ("JSON_OBJECT(NULL, 1)", 3158),
        ("JSON_ARRAY_INSERT('[]', '$.a', 1)", 3165),
        ("JSON_SET('{}', '$.a')", 1582),
        ("JSON_OBJECT('a')", 1582),
        (f"JSON_TYPE('{'[' * 101}{']' * 101}')", 3157),
    ],
)
def test_refusals_have_mysqls_numbers(expression: str, number: int) -> None:
    assert error(f"SELECT {expression}").startswith(f"{number} (")


@given(documents)
def test_a_printed_document_reads_as_itself(document: object) -> None:
    text = dump(document)
    assert dump(load(text)) == text
    assert dump(parse(json.dumps(document), 1, "f")) == text


@given(documents, documents)
def test_equal_documents_have_equal_keys(left: object, right: object) -> None:
    assert (key(left) == key(right)) >= (dump(left) == dump(right))


@given(st.text(alphabet='{}[]",:\\ae1.-+ \n', max_size=12))
def test_a_reason_is_found_for_all_that_is_no_json(text: str) -> None:
    try:
        document = json.loads(text)
    except ValueError:
        reason, place = _Finder(text).find()
        assert reason
        assert 0 <= place <= len(text)
    else:
        assert dump(parse(text, 1, "f")) == dump(load(dump(document))) or "e" in text or "." in text
