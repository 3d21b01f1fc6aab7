"""What the paper says of RefineCAM, held against the page's runs."""

from __future__ import annotations

import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import means
from segattr_lib.sections.refinecam import choices, lift
from segattr_lib.sections.refinecam.runs import DEEPEST, REFINED, SHALLOWEST, Ends
from segattr_lib.sections.refinecam.settings import Settings

CLAIMS = ("refined_strongest_on_most_models", "refinement_lifts_arcc", "product_beats_means")
WORDS = {HOLDS: "held", CONTRADICTED: "did not hold", UNDECIDED: "could not be told"}


def verdicts(page: Settings, runs: Ends) -> dict[str, str]:
    """Each claim's verdict by its id: holds, contradicted or undecided.

    A claim of most models holds where more than half of them bear it out for themselves, and is contradicted where
    half of them or more contradict it. The rival is the base at the shallowest stage, as in the paper.
    """
    led = lift.leaders(runs.ends, page.bases, (SHALLOWEST, REFINED), page.level, page.seed)["refined"]
    gains = means(lift.lift(runs.ends, page.bases, SHALLOWEST), page.level, page.seed)
    return {
        "refined_strongest_on_most_models": of_most(led == HOLDS, led == CONTRADICTED),
        "refinement_lifts_arcc": of_most(gains["low"] > 0, gains["high"] < 0),
        "product_beats_means": choices.product_verdict(page, runs),
    }


def of_most(borne_out: pd.Series, contradicted: pd.Series) -> str:
    """The verdict on a claim of most models, from what each of them says."""
    if borne_out.mean() > 0.5:
        return HOLDS
    return CONTRADICTED if contradicted.mean() >= 0.5 else UNDECIDED


def claims_table(page: Settings, runs: Ends) -> pd.DataFrame:
    """What was reproduced and what was not: a row a claim of CLAIMS."""
    lifts, chosen = lift.facts(page, runs), choices.facts(page, runs)
    models = len(page.run.model)
    texts = {
        "refined_strongest_on_most_models": (
            "a refined CAM has the highest ARCC on most models",
            f"on {lifts['paper_strongest']} of {lifts['paper_models']}",
            f"on {lifts['led_shallow']} of {models}"
            + (f"; on {lifts['led']} with the deepest stage as a rival, too" if DEEPEST in runs.places else ""),
        ),
        "refinement_lifts_arcc": (
            "RefineCAM lifts its base's ARCC on most models",
            "at the shallowest stage",
            f"interval above 0 on {lifts['above_shallowest']} of {models}, a higher mean on {lifts['up_shallowest']}",
        ),
        "product_beats_means": (
            "multiplication beats the two means",
            f"for {chosen['paper_best']} of {chosen['paper_cams']} CAMs",
            f"interval above 0 in {chosen['fusion_above']} of {chosen['fusion_pairs']} pairs, below in "
            f"{chosen['fusion_below']}; the highest mean for {chosen['product_best']} of {len(page.averaged)} CAMs",
        ),
    }
    verdict = verdicts(page, runs)
    rows = [(*texts[claim], WORDS[verdict[claim]]) for claim in CLAIMS]
    return pd.DataFrame(rows, columns=["claim", "the paper", "here", "it"]).set_index("claim").rename_axis(None)
