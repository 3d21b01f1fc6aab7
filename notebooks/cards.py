# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Cards of the metrics
#
# In this notebook, we make a card of every metric of the papers: what it is said to measure, what a
# value costs, what maps that know nothing reach, whether it finds what was planted, how far its
# order of methods hangs on its own settings, and how easily it is gamed. From these, by one rule,
# follows what it is to be trusted for ({numref}`tab-cards-trust`). Look here before you trust a number.
#
# :::{admonition} In short
# {glue:text}`metrics` metrics have a card, decided on the records {glue:text}`basis`. Telling the
# best method from maps that know nothing: {glue:text}`for_chance` can, {glue:text}`not_chance`
# cannot. Random maps of different grain are far apart by {glue:text}`not_grain`. An order of methods
# at one k and fill does not stand for others by {glue:text}`not_settings`. Choosing the best of
# {glue:text}`draws` random maps is as good as the best method, or better, by
# {glue:text}`not_objective`.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
evidence = "book/evidence"  # the folder of the records
segmenter_dataset = "photographs"  # to count passes on, and to game where no record is
segmenter_model = "voc_deeplabv3_mobilenetv2_half"
segmenter_samples = None  # all of them
classifier_dataset = "single_shapes"
classifier_model = "shapes_resnet18"
classifier_samples = 3
image_size = 224
draws = 49  # random maps of each image, of which a metric chooses one
null_every = 1

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import cards as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(runs))

# %% [markdown]
# ## The rule
#
# Six questions are put to each metric, at k = {glue:text}`k` and the fill {glue:text}`fill`, on the
# images that the model scores at least {glue:text}`well`; intervals are of {glue:text}`level`.
#
# - *Telling the best method from maps that know nothing.* The best method is ahead of the best map
#   that looks at neither model nor truth, image by image, by its whole interval. Both are the best
#   of several on these very images, which flatters both.
# - *Comparing maps of different grain.* Random maps of four {term}`grains <grain>` lie no further apart than
#   {glue:text}`flat` of what the methods do. Where a metric explains again, random maps are drawn
#   anew, and say nothing.
# - *Telling where the evidence lies.* Two models see the same planted scenes; of the one all hangs
#   on a badge on the target, of the other on a marker far away. The metric finds the maps of the
#   first better, by its whole interval. Metrics of classifiers are held against single shapes: their
#   correlation with the likeness of map and shape is above 0 by its whole interval, over all maps
#   and over the images of a method.
# - *An order of methods at any k and fill.* Kendall's tau between the orders at two k, and at two
#   fills, is at least {glue:text}`ordered` in the mean.
# - *A mean over every image.* No more than {glue:text}`lost` of its values are undefined, degenerate
#   or failed, and images that the model scores lower move no method's mean by more than
#   {glue:text}`flat` of what the methods lie apart.
# - *Choosing a map by it.* The best of {glue:text}`draws` random maps of an image, chosen by the
#   metric itself, stay behind the best method on the same images, in the mean. A map that a metric
#   of repeated explanation chose cannot be made again. Computed with this page, on
#   {glue:text}`segmenters_gamed` images of segmenters and {glue:text}`classifiers_gamed` of
#   classifiers.
#
# ✓ is yes, ✗ no; a dash says that nothing is recorded that could tell. Records not there yet:
# {glue:text}`absent`; metrics without a card for want of them: {glue:text}`without`.

# %% mystnb={"figure": {"name": "tab-cards-trust", "caption": "What each metric is to be trusted for, by the rule above, a row a metric and record: ✓ yes, ✗ no, a dash where nothing is recorded that could tell."}} tags=["hide-input"]
page.trust_table(runs)

# %% [markdown]
# ## What maps that know nothing reach
#
# Methods in colour, in grey the maps that know nothing, in the order of the first panel. A metric is
# easy to read where the grey ones lie together and the coloured ones beyond them.

# %% mystnb={"image": {"alt": "Dot plots of TDD, insertion gain and excess TDD: a row a method or control, with intervals."}, "figure": {"name": "fig-cards-deletion", "caption": "Where methods and maps that know nothing lie by TDD, insertion gain and excess TDD: means over images with {glue:text}`level` intervals, methods in colour and controls in grey, in the order of the first panel."}} tags=["hide-input"]
page.levels_dots(runs, ["tdd", "insertion", "excess_tdd"])

# %% mystnb={"image": {"alt": "Dot plots of stability, absolute ODD and LeakAbs: a row a method or control, with intervals."}, "figure": {"name": "fig-cards-others", "caption": "Where methods and maps that know nothing lie by stability, |ODD| and LeakAbs: means over images with {glue:text}`level` intervals, methods in colour and controls in grey, in the order of the first panel."}} tags=["hide-input"]
page.levels_dots(runs, ["stability", "odd_abs", "leak_abs"])

# %% [markdown]
# ## Metrics of segmenters
#
# Those of {cite:t}`sakib2026dea`, and excess TDD, which is ours.

# %% mystnb={"figure": {"name": "tab-card-tdd", "caption": "The card of target deletion drop (TDD): what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "tdd")

# %% mystnb={"figure": {"name": "tab-card-odd-abs", "caption": "The card of off-target deletion drop (|ODD|): what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "odd_abs")

# %% mystnb={"figure": {"name": "tab-card-leak-abs", "caption": "The card of leakage (LeakAbs): what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "leak_abs")

# %% mystnb={"figure": {"name": "tab-card-insertion", "caption": "The card of insertion gain: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "insertion")

# %% mystnb={"figure": {"name": "tab-card-stability", "caption": "The card of stability: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "stability")

# %% mystnb={"figure": {"name": "tab-card-excess-tdd", "caption": "The card of excess TDD: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "excess_tdd")

# %% [markdown]
# ## Metrics of classifiers
#
# Those that {cite:t}`domeniconi2026cam` compare.

# %% mystnb={"figure": {"name": "tab-card-average-drop", "caption": "The card of Average Drop (AD): what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "average_drop")

# %% mystnb={"figure": {"name": "tab-card-complexity", "caption": "The card of complexity: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "complexity")

# %% mystnb={"figure": {"name": "tab-card-coherency", "caption": "The card of coherency: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "coherency")

# %% mystnb={"figure": {"name": "tab-card-adcc", "caption": "The card of ADCC: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "adcc")

# %% mystnb={"figure": {"name": "tab-card-road", "caption": "The card of ROAD: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "road")

# %% mystnb={"figure": {"name": "tab-card-arcc", "caption": "The card of ARCC: what it is said to measure, what a value costs, what is recorded of it, and what follows for its use."}} tags=["hide-input"]
page.card(runs, "arcc")

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# A ✓ is about one use, by the rule above and on the {term}`records <record>` named; no metric is
# trusted or distrusted at large. A dash is no ✗: nothing recorded could tell. To choose the
# luckiest of random maps is a weak search: a metric that it games is not to be optimised, and of one
# that it does not game, nobody knows what a search that learns would do. What you compare by
# {term}`TDD`, compare by {term}`excess TDD` as well.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Fewer draws, or more: how far does a metric let the luckiest of them rise?
#
#   ```sh
#   .venv/bin/segattr execute cards -p draws=9 -p segmenter_samples=1 \
#       -p classifier_samples=1 -o cards.ipynb
#   ```
# - Draw a map that means nothing and delete by it, in [Judge a map yourself](../judge.md).
# - Compute samples again of the planted evidence that a metric should find:
#   `.venv/bin/segattr verify planted_own --samples 3`.
# ::::
#
# **What we learnt.** Of {glue:text}`metrics` metrics these are to be trusted for comparing maps of
# different grain: {glue:text}`for_grain`. For telling where the evidence lies:
# {glue:text}`for_truth`; not so {glue:text}`not_truth`, and not known of
# {glue:text}`unknown_truth`. For an order of methods at any k and fill:
# {glue:text}`for_settings`. For choosing a map by it: {glue:text}`for_objective`.
