# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The claims ledger
#
# In this notebook, we hold every claim of the three papers, and our own, against recorded runs: one
# verdict a claim and kind of data, computed by one rule, with the images it stands on. No verdict
# is typed.
#
# :::{admonition} In short
# Of {glue:text}`photo_claims` verdicts on photographs {glue:text}`photo_holds` say that a claim
# holds, {glue:text}`photo_contradicted` that it is contradicted, and {glue:text}`photo_undecided`
# are undecided; of {glue:text}`scene_claims` on generated scenes it is {glue:text}`scene_holds`,
# {glue:text}`scene_contradicted` and {glue:text}`scene_undecided`. Decided the contrary way on the
# two: {glue:text}`apart`. Of {glue:text}`claims` claims {glue:text}`untestable` cannot be tested
# here, and {glue:text}`absent` verdicts wait for a record. Of {glue:text}`settled` verdicts that are
# decided on all images {glue:text}`halves_contrary` are decided the contrary way by one half of them.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
evidence = "book/evidence"  # the folder of the records

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import ledger as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(runs))

# %% mystnb={"figure": {"name": "tab-ledger-summary", "caption": "The verdicts in sum: of the claims of each source, on photographs and on generated scenes, how many hold, are contradicted or are undecided at an adjusted p of {glue:text}`significant`."}} tags=["hide-input"]
page.whole_summary(runs)

# %% [markdown]
# ## The rule
#
# The unit is the image: seeds and models that see one image are averaged first. Only images count
# that the model scores at least {glue:text}`well`, and of which every method compared has a value
# that is not decided by a constant.
#
# *A above B.* The mean of the paired differences (for {term}`LeakAbs`, a ratio of ratios, their median)
# with its unadjusted interval of {glue:text}`level`; p of the same resamples, adjusted by Holm over
# all such claims of the same paper on the same record, at most {glue:text}`largest_family` at once.
# It *holds* or is *contradicted* by the side that the difference lies on if the adjusted p is below
# {glue:text}`significant`, else it is *undecided*; then the table tells from which difference on so
# many images would have decided, with a power of {glue:text}`power`. Fewer than
# {glue:text}`fewest` images decide nothing.
#
# *A lead falls with a trait.* Spearman's correlation $\rho$ of the same differences with the trait of
# the images, of the same family of tests and by the same rule.
#
# *A lies beyond a number.* The same of A's values, where a paper names a number, or says that two
# are comparable: then the number is a margin, and the claim names it.
#
# *A is the best.* It holds if A is first, alone, in {glue:text}`level` of the draws of images; it
# is contradicted if another lies above it. *In every run.* The difference is decided run by run,
# adjusted over the runs: the claim holds if it holds in every one, and is contradicted if it is in
# any.
#
# Photographs and generated scenes are never pooled: of the former nobody knows what is true, of the
# latter everything, and they are not alike.
#
# ## The faithfulness benchmark and Dual-Evidence Attribution
#
# The claims of {cite:t}`sakib2026dea`.

# %% mystnb={"figure": {"name": "tab-ledger-dea", "caption": "The claims of the faithfulness benchmark and of Dual-Evidence Attribution, each with its verdict on photographs and on generated scenes; below it the difference it stands on with its {glue:text}`level` interval, the number n of images and the adjusted p."}} tags=["hide-input"]
page.ledger_table(runs, "dea")

# %% [markdown]
# The paper's Table 1 stands beside the same means of the records in
# {numref}`tab-ledger-paper`. Data and models differ, so it is
# the order of methods that can be compared.

# %% mystnb={"figure": {"name": "tab-ledger-paper", "caption": "The values of the paper's Table 1 beside the means of the records with their {glue:text}`level` intervals, a row a method and metric."}} tags=["hide-input"]
page.table1(runs)

# %% [markdown]
# ## Ours
#
# What no table of a paper holds: controls that know nothing of the model, what a blind selection as
# ragged earns, maps judged by another fill than made them, and adaptive interventions.

# %% mystnb={"figure": {"name": "tab-ledger-ours", "caption": "Our own claims, of controls, of blind selections, of other fills and of adaptive interventions, with their verdicts on photographs and on generated scenes; below each the difference with its {glue:text}`level` interval, n and the adjusted p."}} tags=["hide-input"]
page.ledger_table(runs, "ours")

# %% [markdown]
# ## ARCC and RefineCAM
#
# The claims of {cite:t}`domeniconi2026cam`.

# %% mystnb={"figure": {"name": "tab-ledger-arcc", "caption": "The claims on ARCC and RefineCAM with their verdicts; below each what it stands on, with its {glue:text}`level` interval, n and the adjusted p."}} tags=["hide-input"]
page.ledger_table(runs, "arcc")

# %% [markdown]
# ## Explainers as prompts
#
# The claims of {cite:t}`prasad_rethinking`.

# %% mystnb={"figure": {"name": "tab-ledger-wsss", "caption": "The claims on explainers as prompts with their verdicts; below each what it stands on, with its {glue:text}`level` interval, n and the adjusted p."}} tags=["hide-input"]
page.ledger_table(runs, "wsss")

# %% [markdown]
# ## The records
#
# A recorded run is one that was made once and is kept: a row a sample, method and metric, no image
# and no map. The rows of each lie in `book/evidence`, as Parquet tables that pandas opens. Whoever
# believes nothing computes some of them again, `make verify` a sample of each, and
#
# ```bash
# python -m segattr_lib verify photographs --samples 3 -p root=FOLDER
# ```
#
# three samples of one, FOLDER being where VOC lies; it names every value that differs. What a
# column means stands in [the evidence](../evidence.md).

# %% mystnb={"figure": {"name": "tab-ledger-records", "caption": "The recorded runs: images and models of each, the number of its values and their size, the hours that it took, and what it was made by."}} tags=["hide-input"]
page.records_table(runs)

# %% [markdown]
# ## Would other images decide the same?
#
# The images of every record are parted by chance into two halves, and each half decides every claim
# by the same rule, as if there were no other images. Half of the images decide less: a verdict that
# neither repeats was one of many images, and no half need be against it. Of {glue:text}`settled`
# verdicts both halves repeat {glue:text}`halves_both`, one {glue:text}`halves_one` and neither
# {glue:text}`halves_neither`; {glue:text}`halves_contrary` are decided the contrary way:
# {glue:text}`halves_against`.

# %% mystnb={"figure": {"name": "tab-ledger-halves", "caption": "Of the claims that all images of a record decide, on how many both halves of the images, one or neither decide the same, and on how many one half decides the contrary, by kind of data and verdict."}} tags=["hide-input"]
page.halves_table(runs)

# %% [markdown]
# ## Would one model decide the same?
#
# Where several models made a record, each decides every claim alone. Of the verdicts of all models
# together, counted once a model, one alone decides the same in {glue:text}`alone_same` of
# {glue:text}`alone` cases, nothing in {glue:text}`alone_undecided` and the contrary in
# {glue:text}`alone_contrary` ({glue:text}`alone_against`). Claims of which two models decide the
# contrary of each other, whatever all decide: {glue:text}`models_apart`.

# %% mystnb={"figure": {"name": "tab-ledger-models", "caption": "Of the claims that all models of a record decide together, on how many each model alone decides the same, nothing, or the contrary, by record and model."}} tags=["hide-input"]
page.models_table(runs)

# %% [markdown]
# ## Do the intervals cover?
#
# Differences of the first record were centred, so that their mean is known,
# and drawn again a thousand times: how often each kind of interval held it. The tables above use
# the last one.

# %% mystnb={"figure": {"name": "tab-ledger-coverage", "caption": "How often each kind of interval held the true mean of differences that are shaped as the first record's own, beside the share that it promises."}} tags=["hide-input"]
page.coverage_table(runs)

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# A {term}`verdict` is of the images, models and settings of its {term}`record`. *Holds* says that so
# many images decide a claim, not that its difference is large: read the {term}`interval`. *Undecided*
# is no verdict against a claim; the table says which difference would have been decided. Photographs
# and generated scenes are asked apart, and where they part, the pages behind the verdict are to be
# read before either is believed.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Compute samples of a record again, and see every value that differs; scenes need no download:
#
#   ```sh
#   .venv/bin/segattr verify scenes --samples 3
#   ```
# - Take the claim that you care for to [One claim, many settings](multiverse.ipynb): does its side
#   hang on a setting that you would choose otherwise?
# - Count the verdicts of other records, of a folder of your own, with
#   `.venv/bin/segattr execute ledger -p evidence=FOLDER -o ledger.ipynb`.
# ::::
#
# **What we learnt.** On photographs {glue:text}`photo_holds` of {glue:text}`photo_claims` verdicts
# hold and {glue:text}`photo_contradicted` are contradicted; on generated scenes
# {glue:text}`scene_holds` and {glue:text}`scene_contradicted` of {glue:text}`scene_claims`. Where
# the two decide the contrary ({glue:text}`apart`), the pages linked in the tables look for the
# cause.
