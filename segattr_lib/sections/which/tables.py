"""What the page shows as text: the answers, the values behind them, what passes buy and what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from segattr_lib.evidence.plans import images_of
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.report.labels import key_label, ranked_label
from segattr_lib.report.tables import interval, number, wrapped
from segattr_lib.sections.which.change import AXES, by_axis, kept
from segattr_lib.sections.which.needs import ABOVE, NEEDS, Answer, Need, cheapest, steps
from segattr_lib.sections.which.runs import HEADLINE, MANY_BUDGETS, Runs

if TYPE_CHECKING:
    from IPython.display import HTML

ABSENT = "not recorded"
NONE = "none"
KNOWS = " ✓"  # beside a method that earns more than every control
TITLES = {"photographs": "photographs", "generated": "generated scenes"}  # of what records are of


def title_of(name: str) -> str:
    """What the page calls a record: by what it is of, and whether one model stands for it."""
    return TITLES[images_of(name)] + (", one model" if name == MANY_BUDGETS else "")


def listed(methods: Iterable[str]) -> str:
    """Methods' labels as a sentence names them: "RIA, DEA and EGA"."""
    labels = [key_label(text) for text in methods]
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels) or NONE


def measure(need: Need) -> str:
    """What measures a need, with the direction in which it is better."""
    return ranked_label(need.metric) + (" per pass" if need.per_pass else "")


def digits(need: Need) -> int:
    """Of a need's values: a value per pass is small."""
    return 4 if need.per_pass else 3


def says(answer: Answer | None) -> str:
    """An answer as the rest of a sentence: its methods, their values, and what lies behind."""
    if answer is None:
        return ABSENT
    if not answer.best:
        return f"undecided, for {answer.n} images are fewer than {FEWEST}"
    return f"{listed(answer.best)} ({valued(answer)}, n = {answer.n}); {next_best(answer)}"


def valued(answer: Answer) -> str:
    """The values of an answer's methods, in their order."""
    rows = answer.ranking.set_index("method").loc[list(answer.best), ["value", "low", "high"]].to_numpy(float)
    return ", ".join(interval(value, low, high, digits(answer.need)) for value, low, high in rows)


def next_best(answer: Answer) -> str:
    """By how much the runner-up is behind, and by how little the first of several leads."""
    places = digits(answer.need)
    parts = []
    if len(answer.best) > 1:
        text = interval(answer.lead.value, answer.lead.low, answer.lead.high, places)
        parts.append(f"{key_label(answer.best[0])} leads {key_label(answer.best[1])} by {text}, undecided")
    if answer.following is not None:
        behind = answer.behind
        text = interval(behind.value, behind.low, behind.high, places)
        parts.append(f"the next, {key_label(answer.following)}, is {text} behind")
    return "; ".join(parts) or "no other stands for it"


def answers_table(runs: Runs) -> HTML:
    """What a reader needs, and which methods answer it, on photographs and on generated scenes."""
    rows = []
    for need in NEEDS:
        rows.append({"you want": f"{need.wish}<br><small>{measure(need)}</small>"})
        rows[-1] |= {title_of(name): _answer_cell(runs, name, need) for name in HEADLINE}
        if need.name == "drop":
            rows.append({"you want": "The cheapest that earns more than every control<br><small>passes</small>"})
            rows[-1] |= {title_of(name): _cheapest_cell(runs, name) for name in HEADLINE}
            rows.append({"you want": "The most faithful within a budget<br><small>passes</small>"})
            rows[-1] |= {title_of(name): _budget_cell(runs, name) for name in HEADLINE}
    return _html(pd.DataFrame(rows))


def _marked(runs: Runs, name: str, methods: Sequence[str]) -> str:
    """Methods' labels, those marked that earn more than every control."""
    verdicts = runs.chances[name]
    return ", ".join(key_label(text) + (KNOWS if verdicts.get(text) == ABOVE else "") for text in methods)


def _answer_cell(runs: Runs, name: str, need: Need) -> str:
    answer = runs.answers.get(name, {}).get(need.name)
    if answer is None or not answer.best:
        return says(answer)
    cell = f"<b>{_marked(runs, name, answer.best)}</b><br>{valued(answer)}, n = {answer.n}"
    if answer.following is not None:
        behind = answer.behind
        text = interval(behind.value, behind.low, behind.high, digits(need))
        cell += f"<br>next: {_marked(runs, name, [answer.following])}, {text} behind"
    return cell


def _cheapest_cell(runs: Runs, name: str) -> str:
    if name not in runs.frontiers:
        return ABSENT
    fewest = cheapest(runs.frontiers[name])
    return NONE if fewest is None else f"<b>{_marked(runs, name, fewest[1])}</b><br>{fewest[0]} passes"


def _budget_cell(runs: Runs, name: str) -> str:
    if name not in runs.frontiers:
        return ABSENT
    rising = steps(runs.frontiers[name])
    return "<br>".join(f"from {count} on: <b>{_marked(runs, name, best)}</b>" for count, best in rising) or "undecided"


def cheapest_text(runs: Runs, name: str) -> str:
    """The cheapest method of a record that lies above every control, with its passes."""
    if name not in runs.frontiers:
        return ABSENT
    fewest = cheapest(runs.frontiers[name])
    return NONE if fewest is None else f"{listed(fewest[1])}, of {fewest[0]} passes"


def budgets(runs: Runs, name: str) -> str:
    """The steps of a record's frontier: which method a budget buys, from so many passes on."""
    if name not in runs.frontiers:
        return ABSENT
    rising = [f"from {count} on {listed(methods)}" for count, methods in steps(runs.frontiers[name])]
    return "; ".join(rising) or "undecided"


IMAGES = "n"  # the row that tells on how many images each column stands


def values_table(runs: Runs) -> HTML:
    """Every method's value under every measure, the answers of each in bold."""
    blocks = {}
    for name, answers in runs.answers.items():
        columns = {}
        for answer in answers.values():
            if answer.need.forward_only:
                continue  # the same values as the most faithful, on more images
            rows = answer.ranking.to_dict("records")
            texts = {
                row["method"]: interval(row["value"], row["low"], row["high"], digits(answer.need)) for row in rows
            }
            bold = {method: f"<b>{text}</b>" if method in answer.best else text for method, text in texts.items()}
            columns[measure(answer.need)] = bold | {IMAGES: str(answer.n)}
        blocks[title_of(name)] = pd.DataFrame(columns).rename(
            index=lambda key: key if key == IMAGES else key_label(key)
        )
    return _html(pd.concat(blocks).fillna("–"), index=True) if blocks else _absent()


def passes_table(runs: Runs) -> HTML:
    """What passes buy: a row a record and method, by passes."""
    tables = []
    for name, passes in runs.frontiers.items():
        shown = {
            "on": title_of(name),
            "": passes["method"].map(key_label),
            "passes": passes["passes"].map("{:.0f}".format),
            "excess TDD": [interval(*row) for row in passes[["mean", "low", "high"]].to_numpy(float)],
            "n": passes["n"],
            "beside controls": passes["above"],
            "worth its passes": passes["step"].map({True: "yes", False: "no"}),
        }
        tables.append(pd.DataFrame(shown))
    return wrapped(pd.concat(tables), index=False) if tables else _absent()


def settings_table(runs: Runs) -> HTML:
    """How each answer fares under other settings and with one model alone, and what so many images decide."""
    rows = []
    for name, answers in runs.answers.items():
        fares = kept(runs.settings[name], answers).set_index("need")
        alone = runs.alone[name]
        for need, answer in answers.items():
            if not answer.best:
                continue
            row = {"on": title_of(name), "you want": answer.need.wish, "answer": listed(answer.best)}
            mine = alone[alone["need"] == need]
            row["first with one model alone"] = "; ".join(key_label(text) for text in mine["first"]) or "–"
            row |= dict.fromkeys(("the same first", "one of them first", "the first unbeaten"), ABSENT)
            row["else first"] = "–"
            if need in fares.index:
                fare = fares.loc[need]
                row["the same first"] = f"{fare['same']} of {fare['settings']}"
                row["one of them first"] = f"{fare['among']} of {fare['settings']}"
                row["the first unbeaten"] = f"{fare['stands']} of {fare['settings']}"
                row["else first"] = ", ".join(key_label(t) for t in fare["others"] if t not in answer.best) or NONE
            row["n"] = str(answer.n)
            row["decides from"] = number(answer.smallest, digits(answer.need))
            rows.append(row)
    return wrapped(pd.DataFrame(rows), index=False) if rows else _absent()


def axes_table(runs: Runs) -> HTML:
    """The share of settings under which one of the answer's methods is first, by what they set."""
    blocks = {}
    for name, answers in runs.answers.items():
        shares = by_axis(runs.settings[name], answers)
        if len(shares):
            wishes = {need: answers[str(need)].need.wish for need in shares}
            blocks[title_of(name)] = shares.rename(columns=wishes, index=AXES, level=0).map(_share)
    return wrapped(pd.concat(blocks)) if blocks else _absent()


def _absent() -> HTML:
    """In place of a table of records that are not there."""
    return wrapped(pd.DataFrame({"": [ABSENT]}), index=False)


def _share(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.0%}"


def _html(table: pd.DataFrame, index: bool = False) -> HTML:
    from IPython.display import HTML

    return HTML(table.to_html(index=index, classes="wrap", border=0, escape=False))
