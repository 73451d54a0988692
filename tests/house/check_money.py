"""No binary float near money: what Python code and SQL text may not say in the rooms where money and units are made."""

from __future__ import annotations

import ast
import re

from tests.house.tree import Offence, string_texts

FRAME_CALLS = {"df", "fetchdf", "fetch_df", "to_df", "fetch_df_chunk"}

SQL = re.compile(
    r"\b(select|case\s+when|group\s+by|order\s+by|partition\s+by|insert\s+into|coalesce\s*\(|cast\s*\(|sum\s*\()|::",
    re.IGNORECASE,
)
QUANTITY = (
    r"(?:units|amount|amounts|nano|reading|quantity|price|denominator|numerator|balance|debit|credit|share)"
)
DOUBLE = r"(?:double(?:\s+precision)?|float[48]?|real)"

SQL_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!/)/(?!/)"), "`/` in SQL is a division of doubles; `//` stays with integers"),
    (re.compile(r"\bavg\s*\(", re.IGNORECASE), "avg() answers in DOUBLE; keep sum and count"),
    (re.compile(r"\b(?:mean|median|fsum|kahan_sum)\s*\(", re.IGNORECASE), "this aggregate answers in DOUBLE"),
    (
        re.compile(rf"\w*{QUANTITY}\w*\"?\)*\s*(?:::\s*|\s+as\s+|\s+){DOUBLE}\b", re.IGNORECASE),
        "a quantity or an amount becomes a double",
    ),
)


def float_offences(path: str, source: str) -> list[Offence]:
    """Float literals, ``float(...)`` and data frames of money (``.df()`` turns DECIMAL into doubles)."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(Offence(path, node.lineno, f"float literal {node.value!r}"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            found.append(Offence(path, node.lineno, "float(...)"))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in FRAME_CALLS
        ):
            found.append(
                Offence(path, node.lineno, f".{node.func.attr}() turns DECIMAL into a float; take Arrow")
            )
    return found


def plain_sql(text: str) -> str:
    """SQL without its comments and quoted texts, so that only its operators are left to look at."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"--[^\n]*", " ", text)
    return re.sub(r"'(?:[^']|'')*'", "''", text)


def sql_offences(path: str, text: str, line: int = 1) -> list[Offence]:
    """What one piece of SQL text says that exact arithmetic must not say."""
    bare = plain_sql(text)
    return [
        Offence(path, line + bare[: hit.start()].count("\n"), f"{why}: {hit.group(0).strip()!r}")
        for rule, why in SQL_RULES
        for hit in rule.finditer(bare)
    ]


def sql_offences_in_python(path: str, source: str) -> list[Offence]:
    """The same for every string of a Python file that reads like SQL.

    A cell that *arrives* as a double has to be looked at as one: the line that does so says ``# a float cell``.
    """
    lines = source.splitlines()
    return [
        offence
        for line, text in string_texts(ast.parse(source))
        if SQL.search(text)
        for offence in sql_offences(path, text, line)
        if "# a float cell" not in lines[offence.line - 1]
    ]
