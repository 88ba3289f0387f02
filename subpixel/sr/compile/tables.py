"""The console's tables of compiled programs."""

from collections.abc import Sequence

from rich.table import Table

from subpixel.sr.compile.facts import Facts
from subpixel.sr.compile.reading import BACKWARD_FILTER, BACKWARD_INPUT, FORWARD, MATRIX_PRODUCT

_MIB = 2**20

# The letter of a kind of library call, and what the caption says of it.
_LETTERS = {FORWARD: "F", BACKWARD_INPUT: "I", BACKWARD_FILTER: "K", MATRIX_PRODUCT: "M"}
_LEGEND = "F convForward, I convBackwardInput, K convBackwardFilter, M matrix product"


def network_tables(facts: Sequence[Facts]) -> list[Table]:
    """Returns the tables of a network's programs for one target: memory, work, collectives."""
    tables = [_memory(facts)]
    compiled = [each for each in facts if each.compile_s is not None]
    if compiled:
        tables.append(
            _cycles(compiled) if any(each.cycles for each in compiled) else _calls(compiled)
        )
    if any(each.collectives for each in compiled):
        tables.append(_collectives(compiled))
    return tables


def _memory(facts: Sequence[Facts]) -> Table:
    first = facts[0]
    devices = f"{first.devices} device{'' if first.devices == 1 else 's'}"
    table = _table(
        f"{first.target}, {devices}: memory in MiB, on a device",
        ("compile\ns", "argu-\nments", "results", "tempo-\nraries", "needed", "share"),
    )
    for each in facts:
        parts = (each.arguments, each.results, each.temporaries, each.needed)
        if each.compile_s is None:
            cells = ["refused", "", "", "", _mib(each.needed)]
        else:
            cells = [f"{each.compile_s:.1f}", *map(_mib, parts)]
        table.add_row(*_names(each), *cells, f"{each.needed / each.memory:.1%}")
    table.caption = f"share of {first.memory / 2**30:.1f} GiB"
    if any(each.code for each in facts):
        table.caption += "; the program's code is needed too"
    return table


def _calls(facts: Sequence[Facts]) -> Table:
    table = _table(
        "library calls; multiply-adds, on a device",
        (*_LETTERS.values(), "other", "useful\n10^9", "executed\n10^9", "ratio"),
    )
    others: set[str] = set()
    for each in facts:
        other = {kind: call["count"] for kind, call in each.calls.items() if kind not in _LETTERS}
        others |= other.keys()
        executed = executed_work(each)
        counts = [each.calls.get(kind, {}).get("count", 0) for kind in _LETTERS]
        table.add_row(
            *_names(each),
            *(str(count or "") for count in (*counts, sum(other.values()))),
            f"{each.useful / 1e9:.2f}",
            f"{executed / 1e9:.2f}",
            f"{executed / each.useful:.2f}",
        )
    table.caption = "; ".join(
        [_LEGEND, *([f"other: {', '.join(sorted(others))}"] if others else [])]
    )
    return table


def executed_work(facts: Facts) -> int:
    """Returns the multiply-adds that the library calls of a program execute."""
    return sum(call["multiply_adds"] for call in facts.calls.values())


# The heading of each purpose, in the order of the columns.
_PURPOSES = {
    "convolution": "convo-\nlution",
    "matrix product": "matrix\nproduct",
    "copy": "copy",
    "elementwise or sum": "element-\nwise, sum",
    "gather or scatter": "gather,\nscatter",
    "collective": "collec-\ntive",
}


def _cycles(facts: Sequence[Facts]) -> Table:
    spent_on = [key for key in _PURPOSES if any(key in each.cycles for each in facts)]
    headings = [_PURPOSES[key] for key in spent_on]
    table = _table("estimated thousands of cycles, on a device", ("all", *headings))
    for each in facts:
        spent = [each.cycles.get(key, 0) for key in spent_on]
        table.add_row(*_names(each), *map(_thousands, (sum(each.cycles.values()), *spent)))
    return table


def _collectives(facts: Sequence[Facts]) -> Table:
    table = _table("between the devices, in a run of the program", ("collective", "number", "KiB"))
    for each in facts:
        for kind, found in each.collectives.items():
            size = f"{found['bytes'] / 1024:,.1f}"
            table.add_row(*_names(each), kind, str(found["count"]), size)
    return table


def geometry_tables(facts: Sequence[Facts]) -> list[Table]:
    """Returns the tables of transposed convolutions by method for one target, one a dtype."""
    dtypes = dict.fromkeys(each.subject["dtype"] for each in facts)
    return [_geometries([f for f in facts if f.subject["dtype"] == dtype]) for dtype in dtypes]


def _geometries(facts: Sequence[Facts]) -> Table:
    first = facts[0]
    gpu = any(each.calls for each in facts)
    measures = ("calls", "executed", "MiB") if gpu else ("10^3\ncycles", "MiB")
    table = _table(
        f"{first.target}, {first.subject['dtype']}: the output; the output and both gradients",
        (*measures, *measures),
    )
    table.caption = "MiB of temporaries"
    if gpu:
        table.caption += f"; executed multiply-adds for each useful one; {_LEGEND}"
    by_row: dict[tuple[str, str], dict[str, Facts]] = {}
    for each in facts:
        key = (each.subject["geometry"], each.subject["method"])
        by_row.setdefault(key, {})[each.program] = each
    geometry = ""
    for (name, method), programs in by_row.items():
        cells = [
            cell for program in ("forward", "gradients") for cell in _cells(programs[program], gpu)
        ]
        table.add_row("" if name == geometry else name, method, *cells)
        geometry = name
    return table


def _cells(facts: Facts, gpu: bool) -> list[str]:
    if facts.compile_s is None:
        return ["refused", "", _mib(facts.needed)] if gpu else ["refused", _mib(facts.needed)]
    if not gpu:
        return [_thousands(sum(facts.cycles.values())), _mib(facts.temporaries)]
    return [
        calls_in_letters(facts),
        f"{executed_work(facts) / facts.useful:.2f}",
        _mib(facts.temporaries),
    ]


def calls_in_letters(facts: Facts) -> str:
    """Returns the library calls of a program, such as "F I K" or "2F"."""
    counts = {_LETTERS.get(kind, kind): call["count"] for kind, call in facts.calls.items()}
    return " ".join(
        letter if count == 1 else f"{count}{letter}" for letter, count in sorted(counts.items())
    )


def _table(title: str, headings: Sequence[str]) -> Table:
    """Returns a table whose first two columns, without a heading, are names."""
    table = Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for _ in range(2):
        table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _names(facts: Facts) -> tuple[str, str]:
    return facts.subject["upsampler"], facts.program


def _mib(nbytes: int) -> str:
    mib = nbytes / _MIB
    return f"{mib:,.1f}" if mib < 1000 else f"{mib:,.0f}"


def _thousands(cycles: int) -> str:
    return f"{cycles / 1e3:,.0f}"
