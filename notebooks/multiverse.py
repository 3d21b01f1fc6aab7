# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One claim, many settings
#
# In this notebook, we ask of every difference between two methods whether it is one of the methods,
# or one of the settings that it was measured at: which share is deleted, what is put in its place,
# how fine the map's grid is, how large the image, whose labels give the target, and which model
# answers. A claim at one choice of all of these is a {term}`universe`.
#
# :::{admonition} In short
# On photographs {glue:text}`photographs_signed` of {glue:text}`photographs_of` differences lie on
# the claimed side in every one of up to {glue:text}`photographs_universes` universes, and
# {glue:text}`photographs_settled` with their whole interval. Differences that change their side with
# the settings: {glue:text}`photographs_turned_names`. The setting that turns a side most often is
# {glue:text}`photographs_mover`. Two universes order {glue:text}`ordered` methods by deletion drop
# with a mean Kendall's tau of {glue:text}`photographs_tau`. Records that are not there yet, and whose
# universes are missing below: {glue:text}`absent`.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
evidence = "book/evidence"  # the folder of the records
records = [  # of photographs and of generated scenes, which are never pooled
    "photographs_224_truth",
    "photographs_224_predicted",
    "photographs_321_truth",
    "photographs_321_predicted",
    "photographs",
    "scenes_many",
    "scenes",
    "scenes_seeds",
]

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import multiverse as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(runs))

# %% [markdown]
# ## How to read a strip
#
# In each universe the difference is the mean over the images that the model scores at least
# {glue:text}`well` and of which both methods have a sound value, image by image (of {term}`LeakAbs`, a ratio
# of ratios, the median), with its interval of {glue:text}`level`; of fewer than {glue:text}`fewest`
# images there is none. A strip, such as
# {numref}`fig-multiverse-dea-tdd-above-ega`, shows the universes of one claim, sorted by the difference. Blue lies
# on the claimed side, red on the other; a pale one has an interval that holds 0. The rows of marks
# below say which settings a universe has: where the marks of a row gather at one end, that setting
# decides the difference.
#
# Universes that a claim cannot tell apart count once: GPA and EGA know no grid. Controls keep their
# own grain, whatever the grid of the maps beside them. The universes share their images
# ({glue:text}`photographs_images` in a universe on photographs), so that a share of universes is no
# probability, and nothing is tested on this page: it says how much of a claim is the settings'.
# A verdict stands in [the ledger](ledger.ipynb).

# %% mystnb={"figure": {"name": "tab-multiverse-records", "caption": "The records that the universes come from: their images and models, and the settings that each of them moves."}} tags=["hide-input"]
page.records_table(runs)

# %% [markdown]
# ## Every claim
#
# The share of universes in which a difference lies on the claimed side (*as claimed*), in which its
# whole interval lies there (*wholly*), or on the other side (*wholly contrary*). At the right the
# setting that turned the side in the largest share of those pairs of universes that differ in it
# alone, with the share as claimed at each of its values.

# %% mystnb={"figure": {"name": "tab-multiverse-shares", "caption": "Every claim in all universes, on photographs and on generated scenes: the share in which the difference lies as claimed, wholly so, or wholly on the other side, and the setting that turned its side most, with the share as claimed at each of its values."}} tags=["hide-input"]
page.shares_table(runs)

# %% [markdown]
# ## Deletion drop
#
# DEA beside the two gradient maps that {cite:t}`sakib2026dea` compare it with.

# %% mystnb={"image": {"alt": "Sorted differences DEA less EGA in TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-tdd-above-ega", "caption": "DEA less EGA in deletion drop (TDD), in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_tdd_above_ega")

# %% mystnb={"image": {"alt": "Sorted differences DEA less GPA in TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-tdd-above-gpa", "caption": "DEA less GPA in deletion drop (TDD), in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_tdd_above_gpa")

# %% [markdown]
# RIA, which is made of interventions alone, beside DEA and beside EGA.

# %% mystnb={"image": {"alt": "Sorted differences DEA less RIA in TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-tdd-below-ria", "caption": "DEA less RIA in deletion drop (TDD), in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_tdd_below_ria")

# %% mystnb={"image": {"alt": "Sorted differences RIA less EGA in TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-ria-tdd-above-ega", "caption": "RIA less EGA in deletion drop (TDD), in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "ria_tdd_above_ega")

# %% [markdown]
# And DEA beside random pixels, which know nothing of the model. Scattered holes hurt a model by
# themselves; how much depends on what they are filled with.

# %% mystnb={"image": {"alt": "Sorted differences DEA less random pixels in TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-tdd-above-random", "caption": "DEA less random pixels in deletion drop (TDD), in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_tdd_above_random")

# %% [markdown]
# ## Off the target
#
# The drop that deletion outside the target causes, and what of it there is for each unit of drop
# inside.

# %% mystnb={"image": {"alt": "Sorted differences DEA less EGA in absolute ODD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-odd-below-ega", "caption": "DEA less EGA in off-target drop (|ODD|), where less is better, in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_odd_below_ega")

# %% mystnb={"image": {"alt": "Sorted differences DEA less EGA in median LeakAbs over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-leak-below-ega", "caption": "DEA less EGA in median LeakAbs, where less is better, in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_leak_below_ega")

# %% [markdown]
# ## Beyond a blind selection
#
# The same by excess TDD, in which what a blind selection of the same size and raggedness would have
# earned is taken off: RIA beside random cells and beside the distance to the target's edge, EGA
# beside that distance, and DEA beside EGA.

# %% mystnb={"image": {"alt": "Sorted differences RIA less random cells in excess TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-ria-above-cells", "caption": "RIA less random cells in excess TDD, in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "ria_above_cells")

# %% mystnb={"image": {"alt": "Sorted differences RIA less depth in excess TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-ria-above-depth", "caption": "RIA less the distance to the target's edge in excess TDD, in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "ria_above_depth")

# %% mystnb={"image": {"alt": "Sorted differences EGA less depth in excess TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-ega-above-depth", "caption": "EGA less the distance to the target's edge in excess TDD, in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "ega_above_depth")

# %% mystnb={"image": {"alt": "Sorted differences DEA less EGA in excess TDD over all universes, with intervals; the settings of each are marked below."}, "figure": {"name": "fig-multiverse-dea-excess-above-ega", "caption": "DEA less EGA in excess TDD, in every universe. Each universe is a dot with its {glue:text}`level` interval, sorted by the difference: blue on the claimed side, red on the other, pale where the interval holds 0. The marks below a universe name its settings."}} tags=["hide-input"]
page.strip(runs, "dea_excess_above_ega")

# %% [markdown]
# ## Does the order of methods survive?
#
# Kendall's tau between the orders that two universes give GPA, EGA, RIA, DEA and the two adaptive
# maps by the same metric: 1 where both have one order, 0 where they have nothing in common, below 0
# where they turn it round. A column takes the pairs of universes that differ in that setting alone,
# the last one any two; the mean, and in brackets the least.

# %% mystnb={"figure": {"name": "tab-multiverse-orders", "caption": "How alike two universes order six methods: Kendall's tau, the mean and in brackets the least, over the pairs that differ in one setting alone, a column each, and over any two."}} tags=["hide-input"]
page.orders_table(runs)

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# A difference whose strip stays on one side over every {term}`universe`. A share of universes is no
# probability: they share their images. What no universe moves, such as another architecture, is not
# asked here, and where few universes are recorded an unbroken strip says little; their number stands
# above each. Whether the images decide a difference at one setting, [the ledger](ledger.ipynb) says.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Leave records out, and see which strips grow shorter:
#
#   ```sh
#   .venv/bin/segattr execute multiverse -p 'records=[scenes, photographs]' \
#       -o multiverse.ipynb
#   ```
# - Change the {term}`fill` with your own hands, on one picture: *compare two fills* in
#   [Judge a map yourself](../judge.md).
# - Compute samples again: `.venv/bin/segattr verify scenes --samples 3`.
# ::::
#
# **What we learnt.** On photographs {glue:text}`photographs_settled` of
# {glue:text}`photographs_of` differences lie wholly on the claimed side whatever the settings, and
# {glue:text}`photographs_turned` change their side with them. On generated scenes it is
# {glue:text}`generated_settled` and {glue:text}`generated_turned` of {glue:text}`generated_of`, in
# up to {glue:text}`generated_universes` universes. Lying as claimed in most universes of the one
# kind of data and in few of the other: {glue:text}`apart`. As claimed in no universe on
# photographs: {glue:text}`photographs_never`. The order of methods by deletion drop moves most with
# {glue:text}`photographs_tau_mover`.
