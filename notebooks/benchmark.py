# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The segmentation benchmark
#
# In this notebook, we ask four questions of attribution maps for a segmenter: does the score of the
# target fall when the map's best pixels inside it go (*target deletion drop*, {term}`TDD`)? Does it fall
# when the best pixels outside go (*off-target deletion drop*, {term}`ODD`)? Does the map stay where it is
# when the image hardly changes ({term}`Stability`)? And what does it cost? They are those of
# {cite:t}`sakib2026dea`, whose Table 1 stands beside our numbers; controls that know nothing of the
# model stand beside every method.
#
# :::{admonition} In short
# In {glue:text}`runs` runs over {glue:text}`samples` images of {glue:text}`dataset`
# ({glue:text}`basis`), first of {glue:text}`ranked` maps by mean TDD is
# {glue:text}`first_tdd`; pixels drawn at random are
# {glue:text}`rank_random_tdd`, and first by excess TDD, what is left when a blind selection as
# ragged is subtracted, is {glue:text}`first_excess_tdd`. Image by image, DEA's TDD is
# {glue:text}`dea_side` EGA's: {glue:text}`dea_lead` over the {glue:text}`dea_images` images that
# the model scores well. {glue:text}`above_chance` of {glue:text}`held_against_controls` methods lie
# above every control that knows nothing of the model, which nothing decides below
# {glue:text}`fewest` images. On {glue:text}`scenes_images` generated scenes first by mean TDD is
# {glue:text}`scenes_first_tdd`, and Kendall's τ of the two orders is {glue:text}`order_tau`. Of the
# claims that these runs can speak to {glue:text}`claims_held` hold over plain means, and the images
# bear out {glue:text}`borne_out`.
# :::
#
# The score is eq. 1 of the paper, the mean probability of the class over its mask,
#
# $$s_c(x, M) = \frac{\sum_{u,v} M_{uv}\, p_c(x)_{uv}}{\sum_{u,v} M_{uv} + \epsilon}.$$
#
# Pictures without masks, as photographs are, are explained as the model sees them: $c$ is the class
# that it gives most pixels to, background aside, and $M$ where it does so.
#
# | label | what it is |
# |---|---|
# | {term}`GPA` | Seg-Grad-CAM: activations weighted by their spatially averaged gradients |
# | {term}`EGA` | Seg-XRes-CAM: activations times gradients, element by element |
# | {term}`RIA` | the score's drop when one cell of a fixed grid is filled |
# | {term}`DEA` | $N(\alpha A_g (1 + \beta A_r) + (1-\alpha) A_r)$ of EGA ($A_g$) and RIA ($A_r$) |

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/benchmark"  # a folder of finished results is read, any other is made
dataset = "voc"  # where a record is of these settings, it stands for what is not here
root = None  # where VOC lies; None leaves the record alone to speak
split = "voc200"
backgrounds = None
class_map = None  # explain classifiers on masks: which of their classes each of the data's is
target = "frequent"  # what of a picture is explained; see segattr_lib/data/regions.py
region = "truth"  # whose labels: "truth" or "predicted"; None takes the masks where there are any
samples = None  # how many are computed here; None takes all
order = "listed"
image_size = 224
model = ["voc_deeplabv3_mobilenetv2", "voc_deeplabv3_mobilenetv2_half"]
layer = None
layers = None
scalar = None  # what is explained; None takes a segmenter's probability, a classifier's logit
methods = None  # a list of names; None takes the registry's of segmentation, controls among them
metrics = None
k = 0.2
curve_k = [0.1, 0.2, 0.3, 0.5]  # the fractions of the deletion and insertion curves
curve_model = ["voc_deeplabv3_mobilenetv2_half"]  # None takes model
curve_methods = ["gpa", "ega", "ria", "dea", "random", "random_cells"]  # None takes methods
curve_samples = 100  # at most; None takes samples
grid = 14
stability_grid = None  # cells a side of the maps that stability compares; None takes grid
budget = 49
window = 1
alpha = 0.65
beta = 0.35
fill = "mean"
evaluation_fill = None
strength = 0.03
null_every = 1
floor = None
judge = None  # the model that scores the maps; None takes the explained one
ignore = "include"
seed = [0]
device = None
precision = "float32"
engine = "auto"  # of passes that need no gradient: torch, onnxruntime, or auto
batch_size = None
workers = 0  # processes, or the address of a scheduler: tcp://...
gallery_rows = 3
scenes_dataset = "shapes"  # of the run on generated scenes
scenes_model = ["shapes_deeplabv3", "shapes_fcn", "shapes_lraspp"]
scenes_samples = 1

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import benchmark as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# What follows is {glue:text}`runs` runs on {glue:text}`dataset`, a run being one model and seed;
# models: {glue:text}`models`, seeds: {glue:text}`seeds`. The seed draws the samples and all noise.
# Where the numbers are from: {glue:text}`basis`. What a record is, and how to compute it again,
# stands in [the evidence](../evidence.md); verdicts on single claims stand in [the
# ledger](ledger.ipynb).
#
# Of {glue:text}`drawn` different images {glue:text}`samples` were scored, {glue:text}`each_run` a
# run. Left out: {glue:text}`lost`. Of the {glue:text}`scored` scores, the model gave its target
# less than {glue:text}`well` in {glue:text}`low_score`, where a relative drop divides by next to
# nothing. Few images decide little: no interval stands on fewer than {glue:text}`fewest`, and no
# verdict.
#
# ## A gallery, chosen by rule
#
# Of {glue:text}`pictured`, under {glue:text}`pictured_model`: samples at evenly spaced ranks of
# {glue:text}`gallery_by` in TDD, from the
# highest to the lowest, among those the model scores at least {glue:text}`well`. The target is
# outlined; maps run from dark (0) to bright (1).

# %% mystnb={"image": {"alt": "Rows of images, each with its target outlined and the maps of every method but the controls over it."}, "figure": {"name": "fig-benchmark-gallery", "caption": "Images of {glue:text}`pictured` with the target outlined, and the maps of every method from dark (0) to bright (1), at evenly spaced ranks of {glue:text}`gallery_by` in TDD, the highest above."}} tags=["hide-input"]
page.gallery(runs.cases)

# %% tags=["hide-input"]
page.credit(runs.cases)

# %% [markdown]
# ## Delete it yourself
#
# The first sample of the gallery. Move the slider: the share of the target's pixels, best first by
# the map, that is filled with the image's mean colour; the caption says what is left of the model's
# score. {numref}`fig-benchmark-slider` works in the page, without a kernel.

# %% mystnb={"figure": {"name": "fig-benchmark-slider", "caption": "A map over an image, and the image without the share of the target that the slider says, the map's highest pixels first, filled with the image's mean colour; below it what is left of the model's score."}} tags=["hide-input"]
page.slider(runs.cases)

# %% tags=["hide-input"]
page.credit(runs.cases, 1)

# %% [markdown]
# ## Beside the paper's Table 1
#
# Mean ± standard deviation over run-level means at k = {glue:text}`k`, as the paper has them, each
# run over {glue:text}`each_run` images; ↑ higher is better, ↓ lower. The data and the models differ
# from the paper's, so the order of the methods is what can be compared, not the values.

# %% mystnb={"figure": {"name": "tab-benchmark-paper", "caption": "Mean ± standard deviation over runs on {glue:text}`dataset` at k = {glue:text}`k`, beside the values of the paper's Table 1; ↑ higher is better, ↓ lower."}} tags=["hide-input"]
page.whole(page.beside_paper(runs.per_run))

# %% [markdown]
# ### What the mean hides
#
# The ratio explodes where the model's score is small, so one image can carry a mean. Beside the
# paper's plain mean stand the median and, each with the number of samples in it, the mean over
# those the model scores at least {glue:text}`well`, over those whose selection is not decided by a
# constant, and over those of which ties decide at most half.

# %% mystnb={"figure": {"name": "tab-benchmark-means", "caption": "TDD and |ODD| of every method: the plain mean, the median, and means over some of the samples with their number: those that the model scores well, those whose selection no constant decides, and those of which ties decide at most half."}} tags=["hide-input"]
page.hidden_by_the_mean(runs.per_run)

# %% [markdown]
# ### What a blind selection earns
#
# How much of a map's TDD comes from what it knows, and how much from how ragged the deleted pixels
# are? Scattered holes of mean colour hide little and may still cost the model its score. The null
# of one image (ours, not the paper's) is what random subsets of the target earn: as many pixels as
# the map selects, from single ones to patches, drawn without a look at the model. {term}`Excess TDD <excess TDD>` is a
# map's TDD less what such a blind selection *of the same border length* has by chance; 0 is chance.
# The border is in pixels of length a selected pixel. Excess |ODD| and excess insertion are made
# alike, of the outside and of what is put back.
#
# A selection that is cut at a value which more than half of the target shares is *degenerate*:
# which pixels went was decided by their order, not by the map. Where cells tie, the tied share says
# how much of a selection that is so of.

# %% mystnb={"figure": {"name": "tab-benchmark-blind", "caption": "TDD of every method, the border length of its selections, what a blind selection with the same border earns, and what each metric has beyond chance: mean ± standard deviation over runs."}} tags=["hide-input"]
page.blind_selection(runs.per_run)

# %% mystnb={"figure": {"name": "tab-benchmark-excess", "caption": "Excess TDD of every method: the plain mean, the median, and means over some of the samples with their number."}} tags=["hide-input"]
page.mean_and_robust(runs.per_run, "excess_tdd")

# %% mystnb={"image": {"alt": "Dot plot of plain and excess TDD for every method: a dot a run, a bar for the mean."}, "figure": {"name": "fig-benchmark-excess", "caption": "Plain and excess TDD of every method: a dot a run, a bar for their mean; 0 is what a blind selection earns."}} tags=["hide-input"]
page.dot_plot(runs.per_run, ["tdd", "excess_tdd"])

# %% [markdown]
# *Above chance* is more than an excess above 0, since size and border length leave the shape of a
# selection open. Each method is held against every control that selects for itself: noise of four
# grains, alone and times the target's mask, discs strewn over the target, the distance to its edge,
# and the contrary. None knows the model. {numref}`tab-benchmark-chance` names the control that comes closest, over the
# images that the model scores at least {glue:text}`well`; p is of the paired sign-flip test, the
# largest over the controls, adjusted over the methods. Fewer than {glue:text}`fewest` images leave
# it undecided.

# %% mystnb={"figure": {"name": "tab-benchmark-chance", "caption": "Every method beside the control that comes closest to it in excess TDD: the paired difference with its interval, p over all controls adjusted over the methods, the number n of images, and the verdict."}} tags=["hide-input"]
page.chance(runs)

# %% [markdown]
# ### Leakage
#
# |ODD| counts every pixel off the mask as outside, the ring of unlabelled pixels around it
# included, as the paper does; beside it without that ring. LeakAbs is |ODD| / |TDD|, and its signed
# form a diagnostic. A ratio of ratios has no mean to trust: LeakAbs is shown as the paper has it,
# and methods are ranked by its median.

# %% mystnb={"figure": {"name": "tab-benchmark-leakage", "caption": "What deletion off the target costs, with and without the unlabelled ring, and its share of TDD: mean ± standard deviation over runs, for LeakAbs the median as well."}} tags=["hide-input"]
page.leakage(runs.per_run)

# %% [markdown]
# ## Ranking on each axis
#
# Rank 1 is best; ties share the better rank. Controls are ranked too: a method that ranks below
# random pixels has not shown that it knows more.

# %% mystnb={"image": {"alt": "Heat map of the rank of every method under TDD, absolute ODD, insertion, stability, excess TDD and seconds."}, "figure": {"name": "fig-benchmark-ranks", "caption": "The rank of every method and control on every axis, 1 the best; the brighter, the better."}} tags=["hide-input"]
page.rank_heatmap(page.ranks(runs.per_run))

# %% [markdown]
# ## The trade-off
#
# The paper finds that faithfulness has a price: interventions cost passes, and a map made of them
# moves more when the image does. Does it here ({numref}`fig-benchmark-trade-off`)? Small points are runs, large ones their mean.

# %% mystnb={"image": {"alt": "Three scatter plots of TDD against stability, absolute ODD and seconds, a small point a run, a large one the mean."}, "figure": {"name": "fig-benchmark-trade-off", "caption": "TDD against stability, |ODD| and seconds: a small point a run, a large one the mean over runs."}} tags=["hide-input"]
page.trade_off(runs.per_run, ["stability", "odd_abs", "seconds"])

# %% [markdown]
# Cost in passes does not depend on the machine; a backward pass counts two.

# %% mystnb={"figure": {"name": "tab-benchmark-cost", "caption": "The passes and the wall seconds of one explanation by every method; a backward pass counts two."}} tags=["hide-input"]
page.cost(runs.per_run)

# %% [markdown]
# ## Deletion and insertion curves
#
# One k is one point; the curves show whether the order depends on it. Bands are standard deviations
# over runs; {glue:text}`curve_basis`.

# %% mystnb={"image": {"alt": "Curves of TDD, absolute ODD and insertion gain over the fraction k for every method, controls dashed."}, "figure": {"name": "fig-benchmark-curves", "caption": "TDD, |ODD| and insertion gain over the share k that is deleted or put back, a line a method, controls dashed, and cut where they lie further off than the methods reach; bands are standard deviations over runs."}} tags=["hide-input"]
page.curves(runs.along_k, ["tdd", "odd_abs", "insertion"])

# %% [markdown]
# ## Stability, by what was changed
#
# Of maps of interventions on {glue:text}`stability_cells` cells; all else is of the maps on
# {glue:text}`cells`. What a coarser grid does to stability stands in
# [Beyond DEA](beyond_dea.ipynb).

# %% mystnb={"figure": {"name": "tab-benchmark-stability", "caption": "How alike the maps of an image stay when it is changed a little, in all and by what was changed: mean ± standard deviation over runs."}} tags=["hide-input"]
page.stability(runs.per_run)

# %% [markdown]
# ## On generated scenes
#
# Photographs show the methods at work where they are used, and nobody knows what is true of them.
# Of generated scenes every pixel is known. The first table once more, with excess TDD below: on
# {glue:text}`scenes_images` images of {glue:text}`scenes_dataset` under {glue:text}`scenes_models`
# models, beside that of {glue:text}`dataset` and never pooled with it; {glue:text}`scenes_basis`.

# %% mystnb={"figure": {"name": "tab-benchmark-scenes", "caption": "The metrics on {glue:text}`dataset` and on generated scenes side by side: mean ± standard deviation over runs."}} tags=["hide-input"]
page.whole(page.beside_scenes(settings, runs))

# %% [markdown]
# First by mean TDD is {glue:text}`first_tdd` on {glue:text}`dataset` and
# {glue:text}`scenes_first_tdd` on {glue:text}`scenes_dataset`; by excess TDD
# {glue:text}`first_excess_tdd` and {glue:text}`scenes_first_excess_tdd`. Pixels drawn at random are
# {glue:text}`rank_random_tdd` and {glue:text}`scenes_rank_random_tdd` by mean TDD. Kendall's τ of
# the two orders of {glue:text}`order_n` maps by it is {glue:text}`order_tau`, 1 where they are the
# same. Of the {glue:text}`order_methods` methods that are no controls, the pairs that change places
# are: {glue:text}`order_swapped`.
#
# Which of them lie above every control, on either?

# %% mystnb={"figure": {"name": "tab-benchmark-scenes-chance", "caption": "Every method beside the control that comes closest to it in excess TDD, on photographs above and on generated scenes below."}} tags=["hide-input"]
page.chance_beside_scenes(settings, runs)

# %% [markdown]
# ## What was reproduced, and what was not
#
# Every claim of the paper's section 5.1 that these runs can speak to, with our numbers, once over
# the paper's plain means and once over the samples the model scores at least {glue:text}`well`.
# Some at the end are ours. A claim is about the methods as the run has them, and where their maps
# were made with several fills, about those of one. The last column says what the images decide, as
# the ledger does, of what rows of images tell. A leader has to lie above each of the others, tested
# over all pairs at once; what is said of every run has to be decided in each, over as many tests;
# what is said to lie between two, on both sides.

# %% mystnb={"figure": {"name": "tab-benchmark-claims", "caption": "The claims that these runs can speak to: what they say, our numbers, whether each holds over plain means and over well-scored samples, and what the images decide."}} tags=["hide-input"]
page.claims_table(runs)

# %% [markdown]
# The paper counts run-level wins in TDD: DEA over EGA in {glue:text}`paper_sbd_ega` runs on SBD and
# {glue:text}`paper_voc_ega` on VOC, over GPA in {glue:text}`paper_sbd_gpa` and
# {glue:text}`paper_voc_gpa`; so its text leaves out some of the SBD runs it includes when it comes
# to GPA. Here DEA's mean TDD is above EGA's in {glue:text}`wins_ega` runs and above GPA's in
# {glue:text}`wins_gpa`; its |ODD| is below EGA's in {glue:text}`wins_odd`. Random pixels are the
# test no table of the paper holds: DEA's TDD is above theirs in {glue:text}`wins_random` runs, its
# excess TDD in {glue:text}`wins_excess`. The maps of interventions are those made with the fill
# {glue:text}`made`. In all, {glue:text}`claims_held` claims of the table hold over plain means,
# {glue:text}`claims_held_robust` over well-scored samples. These are counts of runs and of means,
# as the paper has them; the images, paired and tested, bear out {glue:text}`borne_out`, and their
# intervals are on [another page](beyond_dea.ipynb).
#
# What differs from the paper: the data and the models of this profile (see the [status
# page](status.ipynb)), and where the paper's text leaves a choice open, ours: the formula of
# insertion gain, the blur's width, ties broken row by row, the unlabelled ring counted as outside.
# The paper's own setting, VOC and SBD under torchvision's weights, is the profile `paper`.
#
# :::{admonition} What to trust
# :class: important
# Differences between methods, image by image, over images that are {term}`well scored`; plain means
# of a ratio hang on the few that are not, and of {term}`LeakAbs` only the median says something. A
# rank is worth what the {term}`controls <control>` beside it leave: a method that is not above every
# one of them has not been shown to know more. The values are of these models and images; of the
# paper's, only the order of methods can be compared.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Move the slider of {numref}`fig-benchmark-slider`: how soon does each map take the score away?
# - Delete a larger share, on photographs that need no download:
#
#   ```sh
#   .venv/bin/segattr execute benchmark -p dataset=photographs -p split=null \
#       -p region=null -p samples=2 -p k=0.3 \
#       -p 'methods=[ega, ria, dea, random]' -p results=results/mine -o mine.ipynb
#   ```
# - Compute samples of the generated scenes again: `.venv/bin/segattr verify scenes --samples 3`.
# ::::
#
# **What we learnt.** By mean over these runs, first of {glue:text}`ranked` maps is
# {glue:text}`first_tdd` in TDD, {glue:text}`first_excess_tdd` in excess TDD and, by its median,
# {glue:text}`first_leak_abs` in LeakAbs; pixels drawn at random are {glue:text}`rank_random_tdd`,
# {glue:text}`rank_random_excess_tdd` and {glue:text}`rank_random_leak_abs`. On
# {glue:text}`scenes_images` generated scenes first in TDD is {glue:text}`scenes_first_tdd`, and the
# two orders of the maps agree with a Kendall's τ of {glue:text}`order_tau`. Of the claims
# {glue:text}`claims_held` hold over plain means.
