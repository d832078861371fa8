"""DATE_FORMAT and STR_TO_DATE: the format letters of MySQL's manual."""

from __future__ import annotations

import datetime
import re

from envs.dbbench.mysql.temporal import DAYS, MONTHS, Moment, day_number, in_range, week

_DATE_LETTERS = set("abcDdejMmUuVvWwXxYy")
_TIME_LETTERS = set("fHhIiklprSsT")


def format_moment(moment: Moment, pattern: str) -> str | None:
    """DATE_FORMAT(moment, pattern); None where a name is asked of a zero month or day."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char != "%" or at + 1 == len(pattern):
            out.append(char)
            at += 1
            continue
        part = _formatted(moment, pattern[at + 1])
        if part is None:
            return None
        out.append(part)
        at += 2
    return "".join(out)


def _formatted(moment: Moment, letter: str) -> str | None:
    hour12 = (moment.hour + 11) % 12 + 1
    half = "AM" if moment.hour < 12 else "PM"
    plain = {
        "Y": f"{moment.year:04d}", "y": f"{moment.year % 100:02d}", "m": f"{moment.month:02d}",
        "c": str(moment.month), "d": f"{moment.day:02d}", "e": str(moment.day), "H": f"{moment.hour:02d}",
        "k": str(moment.hour), "h": f"{hour12:02d}", "I": f"{hour12:02d}", "l": str(hour12),
        "i": f"{moment.minute:02d}", "s": f"{moment.second:02d}", "S": f"{moment.second:02d}",
        "f": f"{moment.micro:06d}", "p": half,
        "T": f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}",
        "r": f"{hour12:02d}:{moment.minute:02d}:{moment.second:02d} {half}",
    }  # fmt: skip
    if letter in plain:
        return plain[letter]
    if letter in "Mb":
        if not moment.month:
            return None
        return MONTHS[moment.month - 1] if letter == "M" else MONTHS[moment.month - 1][:3]
    if letter == "D":
        return f"{moment.day}{_ordinal(moment.day)}"
    if letter in "WawjUuVvXx":
        return _formatted_day(moment, letter) if moment.is_real() else None
    return letter


def _formatted_day(moment: Moment, letter: str) -> str:
    weekday = (day_number(moment) + 5) % 7
    if letter in "Wa":
        return DAYS[weekday] if letter == "W" else DAYS[weekday][:3]
    if letter == "w":
        return str((weekday + 1) % 7)
    if letter == "j":
        return f"{day_number(moment) - day_number(Moment(moment.year, 1, 1)) + 1:03d}"
    year, number = week(moment, {"U": 0, "u": 1, "V": 2, "v": 3, "X": 2, "x": 3}[letter])
    return f"{year:04d}" if letter in "Xx" else f"{number:02d}"


def _ordinal(day: int) -> str:
    if 10 <= day <= 19:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def format_kind(pattern: str) -> str:
    """What STR_TO_DATE returns for a constant format: date, time or datetime."""
    letters = set(re.findall(r"%(.)", pattern))
    has_date, has_time = bool(letters & _DATE_LETTERS), bool(letters & _TIME_LETTERS)
    return "datetime" if has_date == has_time and has_date else "time" if has_time else "date"


_NUMBERS = {"Y": 4, "y": 2, "m": 2, "c": 2, "d": 2, "e": 2, "H": 2, "k": 2, "h": 2, "I": 2, "l": 2, "i": 2, "s": 2,
            "S": 2, "j": 3, "w": 1, "U": 2, "u": 2, "V": 2, "v": 2, "X": 4, "x": 4}  # fmt: skip


def read_moment(text: str, pattern: str) -> Moment | None:
    """STR_TO_DATE(text, pattern), or None for NULL. Parts that the pattern does not name are 0."""
    found: dict[str, int] = {}
    end = _read(text, pattern, found)
    if end < 0:
        return None
    year = found.get("Y", 0)
    if "y" in found:
        year = found["y"] + (2000 if found["y"] < 70 else 1900)
    hour = found.get("H", 0)
    if "h" in found:
        if not 1 <= found["h"] <= 12:
            return None
        hour = found["h"] % 12 + 12 * found.get("p", 0)
    moment = Moment(year, found.get("m", 0), found.get("d", 0), hour, found.get("i", 0), found.get("s", 0),
                    found.get("f", 0), format_kind(pattern) == "datetime", bool(text[end:].strip()))  # fmt: skip
    ordinal = _day_of_week_number(found, year)
    if found.get("j") and year:
        ordinal = day_number(Moment(year, 1, 1)) + found["j"] - 1
    if ordinal is not None:
        if not 366 <= ordinal <= 3_652_424:
            return None
        day = datetime.date.fromordinal(ordinal - 365)
        moment.year, moment.month, moment.day = day.year, day.month, day.day
    return moment if in_range(moment) else None


def _day_of_week_number(found: dict[str, int], year: int) -> int | None:
    """The day that a week's number and a weekday name, as TO_DAYS counts; None without both. -1 for none."""
    letter = next((letter for letter in "UuVv" if letter in found), None)
    if letter is None or "w" not in found:
        return None
    strict, sunday = letter in "Vv", letter in "UV"
    own_year = next((found[x] for x in "Xx" if x in found), None)
    if strict != (own_year is not None) or (strict and ("X" in found) != sunday):
        return -1
    if found[letter] > 53 or (strict and not found[letter]):
        return -1
    first_year = own_year if own_year is not None else year
    if not first_year:
        return -1
    start = day_number(Moment(first_year, 1, 1))
    weekday = (start + 5 + sunday) % 7
    days, weeks = found["w"], found[letter] - 1  # 1 Monday .. 7 Sunday
    if sunday:
        return start + (7 if weekday else 0) - weekday + weeks * 7 + days % 7
    return start + (0 if weekday <= 3 else 7) - weekday + weeks * 7 + days - 1


def _read(text: str, pattern: str, found: dict[str, int]) -> int:
    """Reads the parts that a pattern names; where they end in the text, -1 where the text does not fit."""
    at = place = 0
    while place < len(pattern) and at < len(text):
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            break
        char = pattern[place]
        if char == "%" and place + 1 < len(pattern):
            at = _read_part(text, at, pattern[place + 1], found)
            if at < 0:
                return -1
            place += 2
        elif char.isspace():
            place += 1
        elif text[at] == char:
            at, place = at + 1, place + 1
        else:
            return -1
    return at


_CLASSES = {".": re.compile(r"[!-/:-@\[-`{-~]*"), "@": re.compile("[A-Za-z]*"), "#": re.compile("[0-9]*")}
_SAME = {"c": "m", "e": "d", "k": "H", "I": "h", "l": "h", "S": "s", "D": "d"}


def _read_part(text: str, at: int, letter: str, found: dict[str, int]) -> int:
    """Reads one format letter at `at`; the place behind it, or -1."""
    if letter in "Tr":
        parts = ("H", ":", "i", ":", "s") if letter == "T" else ("h", ":", "i", ":", "s", " ", "p")
        for part in parts:
            while at < len(text) and text[at].isspace():
                at += 1
            if part.isalpha():
                at = _read_part(text, at, part, found)
            elif part == ":":
                at = at + 1 if text[at : at + 1] == ":" else -1
            if at < 0:
                return -1
        return at
    if letter in _NUMBERS or letter == "D":
        match = re.compile(rf"[0-9]{{1,{_NUMBERS.get(letter, 2)}}}").match(text, at)
        if match is None:
            return -1
        value = int(match.group())
        key = _SAME.get(letter, letter)
        if letter == "w":
            if value > 6:
                return -1
            value = value or 7
        if key == "Y" and len(match.group()) <= 2:
            value += 2000 if value < 70 else 1900
        found[key] = value
        return min(match.end() + (2 if letter == "D" else 0), len(text))
    if letter == "f":
        match = re.compile(r"[0-9]{1,6}").match(text, at)
        found["f"] = int(match.group().ljust(6, "0")) if match else 0
        return match.end() if match else -1
    return _read_name(text, at, letter, found)


def _read_name(text: str, at: int, letter: str, found: dict[str, int]) -> int:
    if letter in _CLASSES:
        run = _CLASSES[letter].match(text, at)
        return run.end() if run else at
    if letter == "p":
        if "h" not in found:
            return -1
        half = text[at : at + 2].upper()
        found["p"] = int(half == "PM")
        return at + 2 if half in ("AM", "PM") else -1
    names = {"M": MONTHS, "b": [m[:3] for m in MONTHS], "W": DAYS, "a": [d[:3] for d in DAYS]}.get(letter)
    if names is None:
        return -1
    word = re.compile(r"[A-Za-z]*").match(text, at)
    assert word is not None
    written = word.group().lower()
    if letter in "ba":
        written = written[:3]
    # A unique prefix is enough, as in the server's check_word.
    matches = [i for i, name in enumerate(names) if name.lower() == written]
    matches = matches or [i for i, name in enumerate(names) if written and name.lower().startswith(written)]
    if len(matches) != 1:
        return -1
    found["m" if letter in "Mb" else "w"] = matches[0] + 1
    return at + len(written)
