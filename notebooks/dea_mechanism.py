# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why DEA works, and when it does not
#
# In this notebook, we take Dual-Evidence Attribution apart. {cite:t}`sakib2026dea` explain by one
# picture why it should work: where the gradient map $A_g$ (EGA) and the intervention map $A_r$
# (RIA) agree, their product lets the map through, and this *agreement mass* lies on the target.
# They show failures that they put down to thin targets and cluttered scenes, and say that DEA's
# target deletion drop (TDD) stays above EGA's for a range of $\alpha$. We ask of many images what
# they show of a few: of photographs first, and of generated scenes beside them, on which every
# pixel is known.
#
# :::{admonition} In short
# Over {glue:text}`n` images of {glue:text}`dataset`, DEA's TDD is {glue:text}`gains` EGA's, by
# {glue:text}`gain` ({glue:text}`other_dataset`: {glue:text}`other_gain`). On average
# {glue:text}`agreement` of the agreement mass lies on the target, whose area is
# {glue:text}`area` of the image, and that share is {glue:text}`narrower` the share of EGA's own
# mass ({glue:text}`other_dataset`: {glue:text}`other_narrower`). DEA's lead goes with the thinness
# of the target by a correlation of {glue:text}`thinness_with_gain` and with clutter by
# {glue:text}`clutter_with_gain`: the one is {glue:text}`thinness_goes` 0, the other
# {glue:text}`clutter_goes` 0. Of the {glue:text}`alphas_claimed` values of $\alpha$ in the range
# that the paper names, the lead is told from 0 for {glue:text}`held_tdd` in TDD and for
# {glue:text}`held_excess_tdd` in excess TDD. Claims that the two kinds of images decide to the
# contrary: {glue:text}`apart`.
# :::
#
# The map is
#
# $$N\big(\underbrace{\alpha A_g (1 + \beta A_r)}_{\text{corrected}} + \underbrace{(1 - \alpha) A_r}_{\text{residual}}\big).$$
#
# 1. What is a map made of, and where do its parts lie?
# 2. Which images does it fail on?
# 3. What do $\alpha$, $\beta$ and the grid change?
# 4. Does it matter what the gradient is taken of, and at which layer?

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/dea_mechanism"  # a folder of finished results is read, any other is made
dataset = "shapes"
root = None
split = None
samples = 24  # of a run without a record
order = "shuffled"
image_size = 224
model = "shapes_fcn"
layer = None
k = 0.2
grid = 14
alpha = 0.65
beta = 0.35
fill = "mean"
seed = 0
null_every = 3  # of the blind selections every third is drawn
floor = 0.3  # samples the model scores lower are left out
device = None
precision = "float32"
batch_size = None
workers = 0  # processes, or the address of a scheduler: tcp://...
alphas = [0, 0.25, 0.5, 0.8, 1]  # each with the run's own of the others
betas = [0, 0.2, 0.7, 1]
grids = [4, 7, 10, 20]
layers = None  # shallow to deep; None takes the model's blocks up to the layer explained
cases = 3  # of success, and as many of failure
sample_ids = None  # a list of ids shows these samples instead
level = 0.95  # of the intervals
checked = 2  # samples that are computed again where a record stands
photo_dataset = "photographs"  # what the page opens with
photo_model = "voc_deeplabv3_mobilenetv2"
photo_cases = 2  # of success among them, and as many of failure
many_dataset = "voc"  # photographs to count over: recorded, or below many_root
many_root = None
many_split = "voc200"
many_samples = 100
many_model = "voc_deeplabv3_mobilenetv2_half"

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import dea_mechanism as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# ## What a map is made of
#
# {glue:text}`photo_n` of the {glue:text}`photo_dataset` show something that the model
# {glue:text}`photo_model` gives at least {glue:text}`floor`; what it sees on them is outlined,
# whether it is there or not, for a map explains the model and not the picture. The cases are chosen
# by rule. *Success*: the images at evenly spaced quantiles of DEA's target deletion drop minus
# EGA's, from the highest to the edge of the upper {glue:text}`tail`; *failure*: from the edge of
# the lower {glue:text}`tail` to the lowest. Rows run from the best to the worst. Each map is drawn
# from dark (0) to bright (its maximum), and below stands the share of the map's mass that lies on
# the target.

# %% mystnb={"image": {"alt": "Rows of photographs: each with what the model sees outlined, then the gradient map, the intervention map, their product, the corrected map and the DEA map, each with the share of its mass on the target."}, "figure": {"name": "fig-mechanism-photographs", "caption": "Cases of {glue:text}`photo_dataset`, the best DEA minus EGA in TDD above: what the model {glue:text}`photo_model` sees, outlined, then the gradient map (EGA), the intervention map (RIA), their product, the corrected map and DEA's map, each from dark (0) to bright (its maximum), with the share of its mass on the target below."}} tags=["hide-input"]
cases = runs.opening
page.decomposition(cases.images, cases.masks, cases.parts, cases.masses, cases.table)

# %% tags=["hide-input"]
page.credit(cases)

# %% [markdown]
# {numref}`tab-mechanism-photographs` has the same as numbers. Agreement mass is the sum
# of $A_g A_r$ over pixels.

# %% mystnb={"figure": {"name": "tab-mechanism-photographs", "caption": "The cases among {glue:text}`photo_n` of the {glue:text}`photo_dataset`, a row each: at which quantile of DEA minus EGA in TDD it lies, that difference, the target's area, and the agreement mass on and off the target."}} tags=["hide-input"]
page.case_table(cases.table, cases.masses)

# %% [markdown]
# The first of these photographs under other weights: the sliders of {numref}`fig-mechanism-weighed`
# move in the page, without a kernel.

# %% mystnb={"figure": {"name": "fig-mechanism-weighed", "caption": "DEA's map of a photograph at the alpha and the beta that the sliders say, and the photograph without the target's pixels that the map ranks highest (a share k = {glue:text}`k`), with the TDD that this makes; the target is outlined."}} tags=["hide-input"]
page.weighed(settings, runs.opening.table.index[0])

# %% [markdown]
# In {glue:text}`photo_leads` of these {glue:text}`photo_cases` cases DEA's TDD is above EGA's. So
# few photographs decide nothing, and whether a target is thin is not for the model to say: the
# statistics need images by the dozen whose masks are known.
#
# ### On many images whose masks are known
#
# What follows is about {glue:text}`n` images of {glue:text}`dataset` under the model
# {glue:text}`model`, explained at its layer {glue:text}`layer`, with k = {glue:text}`k`; images
# that it scores less than {glue:text}`floor` are left out, where a relative drop says little. The
# numbers are of {glue:text}`basis`. Beside them, and never pooled with them,
# {glue:text}`beside`. DEA's TDD minus EGA's is {glue:text}`gain`
# ({glue:text}`other_dataset`: {glue:text}`other_gain`), the mean with its {glue:text}`level`
# studentised bootstrap interval over images, as everywhere from here on.
#
# The paper reads off single cases that agreement mass is concentrated on the target, with next to
# none off it. Over all images, and beside the share a map would have that knows nothing, the
# target's area:

# %% mystnb={"image": {"alt": "Dot plot of the share of the map's mass on the target for each method and for the product of the two maps: a dot an image, a bar for the mean, a dashed line at the target's mean area."}, "figure": {"name": "fig-mechanism-shares", "caption": "Where the mass of maps lies on {glue:text}`n` images of {glue:text}`dataset`: a dot is an image's share of it on the target, a bar the mean with its {glue:text}`level` interval, a row a map; the dashed line is the target's mean area, which a map has that knows nothing."}} tags=["hide-input"]
page.share_plot(runs.first)

# %% mystnb={"image": {"alt": "Dot plot, of the images that stand beside, of the share of the map's mass on the target for each method and for the product of the two maps: a dot an image, a bar for the mean, a dashed line at the target's mean area."}, "figure": {"name": "fig-mechanism-shares-beside", "caption": "Where the mass of maps lies on {glue:text}`other_n` images of {glue:text}`other_dataset`: a dot is an image's share of it on the target, a bar the mean with its {glue:text}`level` interval, a row a map; the dashed line is the target's mean area, which a map has that knows nothing."}} tags=["hide-input"]
page.share_plot(runs.second)

# %% [markdown]
# On average {glue:text}`agreement` of the agreement mass lies on the target, whose area is
# {glue:text}`area` of the image ({glue:text}`other_dataset`: {glue:text}`other_agreement` and
# {glue:text}`other_area`). Its share minus that of EGA's own mass is {glue:text}`narrowed`
# ({glue:text}`other_dataset`: {glue:text}`other_narrowed`): {glue:text}`narrower` EGA's.
#
# {numref}`fig-mechanism-cases` shows cases of {glue:text}`cases_dataset`, by the same rule as
# above, on which the true masks are drawn.

# %% mystnb={"image": {"alt": "Rows of images: the image with its target outlined, then the gradient map, the intervention map, their product, the corrected map and the DEA map, each with the share of its mass on the target."}, "figure": {"name": "fig-mechanism-cases", "caption": "Cases of {glue:text}`cases_dataset`, the best DEA minus EGA in TDD above: the image with its true target outlined, then the gradient map (EGA), the intervention map (RIA), their product, the corrected map and DEA's map, each from dark (0) to bright (its maximum), with the share of its mass on the target below."}} tags=["hide-input"]
cases = runs.cases
page.decomposition(cases.images, cases.masks, cases.parts, cases.masses, cases.table)

# %% mystnb={"figure": {"name": "tab-mechanism-cases", "caption": "The cases of {glue:text}`cases_dataset`, a row each: at which quantile of DEA minus EGA in TDD it lies, that difference, the target's area, and the agreement mass on and off the target."}} tags=["hide-input"]
page.case_table(cases.table, cases.masses)

# %% [markdown]
# How often does each kind of interval hold the true mean of differences that are shaped as this
# page's own: drawn with replacement from those of two methods less their mean? The page uses the
# studentised bootstrap, which held it in {glue:text}`coverage` of the repeats, and no interval
# below {glue:text}`fewest` images.

# %% mystnb={"figure": {"name": "tab-mechanism-coverage", "caption": "How often each kind of interval held the true mean of differences that are shaped as this page's own, with Wilson's interval, beside the share that it promises; a row a kind of interval."}} tags=["hide-input"]
page.coverage(runs)

# %% [markdown]
# ## Which images it fails on
#
# The paper names thin structures and cluttered scenes as what DEA fails on. We measure both on
# every image, and what else may matter, and correlate each with four outcomes. *Thinness* is
# perimeter² / ($4\pi$ area), 1 for a disc; *width* the mean thickness along the target's skeleton;
# *clutter* the mean brightness gradient of the pixels off the target; *other objects* the share of
# the image that bears another label.

# %% mystnb={"image": {"alt": "Forest plot of Spearman's correlation of six traits of an image with four outcomes, each with its interval; dots of intervals that leave out zero are filled."}, "figure": {"name": "fig-mechanism-traits", "caption": "Spearman's correlation over {glue:text}`n` images of {glue:text}`dataset` of six traits of an image (rows) with four outcomes (panels), with {glue:text}`level` intervals; a filled dot where the interval leaves out 0, a hollow one in grey where it does not."}} tags=["hide-input"]
page.forest(runs.first)

# %% mystnb={"image": {"alt": "Forest plot, of the images that stand beside, of Spearman's correlation of six traits of an image with four outcomes, each with its interval; dots of intervals that leave out zero are filled."}, "figure": {"name": "fig-mechanism-traits-beside", "caption": "Spearman's correlation over {glue:text}`other_n` images of {glue:text}`other_dataset` of six traits of an image (rows) with four outcomes (panels), with {glue:text}`level` intervals; a filled dot where the interval leaves out 0, a hollow one in grey where it does not."}} tags=["hide-input"]
page.forest(runs.second)

# %% mystnb={"figure": {"name": "tab-mechanism-traits", "caption": "Spearman's correlation of six traits of an image (rows) with DEA's lead over EGA and with DEA's own metrics (columns), with {glue:text}`level` intervals and the number n of images, for each kind of images."}} tags=["hide-input"]
page.relation_table(runs)

# %% [markdown]
# {glue:text}`clear` of {glue:text}`pairs` intervals leave out 0 ({glue:text}`other_dataset`:
# {glue:text}`other_clear`), where chance alone would make about {glue:text}`by_chance`; they are
# not adjusted for their number. Do the traits hang together? Thinness correlates with width by
# {glue:text}`thin_width` and with area by {glue:text}`thin_area`.
#
# ## What alpha, beta and the grid change
#
# One is changed while the others are the run's own, which is ringed. $A_g$ and $A_r$ of an image
# stay the same while $\alpha$ and $\beta$ change, so that a setting costs the passes of its metrics
# alone; at $\alpha = 0$ the map is RIA. The paper says that DEA's TDD stays above EGA's for
# $\alpha$ from {glue:text}`claimed_low` to {glue:text}`claimed_high`, the grey band. Differences on
# the same images, plain and less what a blind selection as ragged earns (excess TDD, ours):

# %% mystnb={"image": {"alt": "Curves of DEA minus EGA in TDD and in excess TDD over alpha, beta and the grid, with interval bands; the range of alpha that the paper names is shaded, and the run's own setting ringed."}, "figure": {"name": "fig-mechanism-settings", "caption": "DEA minus EGA in TDD (above) and excess TDD (below) on {glue:text}`n` images of {glue:text}`dataset`, over alpha, beta and the cells a side of the grid, one changed at a time; bands are {glue:text}`level` intervals, the run's own setting is ringed, and the range of alpha that the paper names is grey."}} tags=["hide-input"]
page.option_curves(runs.first)

# %% mystnb={"image": {"alt": "Curves, of the images that stand beside, of DEA minus EGA in TDD and in excess TDD over alpha, beta and the grid, with interval bands; the range of alpha that the paper names is shaded, and the run's own setting ringed."}, "figure": {"name": "fig-mechanism-settings-beside", "caption": "DEA minus EGA in TDD (above) and excess TDD (below) on {glue:text}`other_n` images of {glue:text}`other_dataset`, over alpha, beta and the cells a side of the grid, one changed at a time; bands are {glue:text}`level` intervals, the run's own setting is ringed, and the range of alpha that the paper names is grey."}} tags=["hide-input"]
page.option_curves(runs.second)

# %% mystnb={"figure": {"name": "tab-mechanism-settings", "caption": "DEA minus EGA in TDD and excess TDD under every setting, a row each, for each kind of images: the mean difference with its {glue:text}`level` interval, the share of images on which DEA is better, and the p of the sign-flip test, adjusted by Holm."}} tags=["hide-input"]
page.option_table(runs)

# %% [markdown]
# Of the {glue:text}`alphas_claimed` values of $\alpha$ in the paper's range, the interval lies
# above 0 for {glue:text}`held_tdd` in TDD and for {glue:text}`held_excess_tdd` in excess TDD
# ({glue:text}`other_dataset`: {glue:text}`other_held_tdd` and
# {glue:text}`other_held_excess_tdd` of {glue:text}`other_alphas_claimed`). p is of the sign-flip
# test, adjusted over the rows of a metric. Over all {glue:text}`settings` settings the interval in
# TDD lies above 0 in {glue:text}`above` and below in {glue:text}`below`; these are not adjusted for
# their number.
#
# ## What the gradient is taken of
#
# Of the mean probability, as eq. 1 has it, or of the mean logit, as Seg-Grad-CAM does. A
# probability near 1 has next to no gradient, a logit does not saturate. The last column of
# {numref}`tab-mechanism-scalar` is the change in TDD on the same images.

# %% mystnb={"figure": {"name": "tab-mechanism-scalar", "caption": "Mean TDD, |ODD| and excess TDD of GPA, EGA and DEA with the gradient of the probability and of the logit, and the change in TDD from the scalar that the run has, with {glue:text}`level` intervals, for each kind of images."}} tags=["hide-input"]
page.scalar_table(runs)

# %% [markdown]
# ## At which layer
#
# From shallow to deep, the cells of a layer grow. Does TDD follow them, and does excess TDD?

# %% mystnb={"image": {"alt": "Curves of TDD, absolute ODD and excess TDD over the layers from shallow to deep for GPA, EGA and DEA, with interval bars."}, "figure": {"name": "fig-mechanism-layers", "caption": "Mean TDD, |ODD| and excess TDD of GPA, EGA and DEA on {glue:text}`n` images of {glue:text}`dataset`, over the model's layers from shallow to deep, a line a method; bars are {glue:text}`level` intervals."}} tags=["hide-input"]
page.layer_curves(runs.first)

# %% mystnb={"image": {"alt": "Curves, of the images that stand beside, of TDD, absolute ODD and excess TDD over the layers from shallow to deep for GPA, EGA and DEA, with interval bars."}, "figure": {"name": "fig-mechanism-layers-beside", "caption": "Mean TDD, |ODD| and excess TDD of GPA, EGA and DEA on {glue:text}`other_n` images of {glue:text}`other_dataset`, over the model's layers from shallow to deep, a line a method; bars are {glue:text}`level` intervals."}} tags=["hide-input"]
page.layer_curves(runs.second)

# %% [markdown]
# ## What was reproduced, and what was not
#
# The decomposition, the failure cases and the ablation of $\alpha$, $\beta$ and grid are those of
# the paper, on other data and models than its own (see the [status page](status.ipynb)). The paper
# shows cases and tests nothing; here every statement stands on all images, with an interval. Ours
# are the rule that chooses the cases, the shares of mass, the traits and their correlations, and
# excess TDD. The claim on $\alpha$ is about run-level means in the paper and about paired images
# here. A claim *holds* where every interval lies on the side of 0 that it says, and is
# *contradicted* where one lies wholly on the other. These intervals are of all images and not
# adjusted for their number; [the ledger](ledger.ipynb) decides of the images that the model scores
# well, and adjusts.

# %% mystnb={"figure": {"name": "tab-mechanism-claims", "caption": "Claims on why DEA works and when it does not, a row each: the section, the values that it is about with {glue:text}`level` intervals, and what they decide, for each kind of images."}} tags=["hide-input"]
page.claims_table(settings, runs)

# %% [markdown]
# Decided to the contrary by the two kinds of images: {glue:text}`apart`.
#
# :::{admonition} What to trust
# :class: important
# The paired differences with their {term}`interval`, and {term}`excess TDD` before {term}`TDD`: the
# first takes off what holes as ragged cost anyhow. A correlation with a trait of the image is a lead
# to follow, not a cause: the intervals are not adjusted for their number, and traits hang together.
# A mask that people drew says where the object is, not where the evidence lies; what share of a map
# falls on it is a description, not a score.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Move both sliders of {numref}`fig-mechanism-weighed`: with alpha at 0 the map is {term}`RIA`, with
#   alpha at 1 it is {term}`EGA`, lifted where RIA agrees.
# - The whole page under another weight, of a few scenes:
#
#   ```sh
#   .venv/bin/segattr execute dea_mechanism -p alpha=0.5 -p samples=4 \
#       -p results=results/alpha -o alpha.ipynb
#   ```
# - Compute samples again: `.venv/bin/segattr verify scenes_settings --samples 3`.
# ::::
#
# **What we learnt.** On these {glue:text}`n` images DEA's TDD is {glue:text}`gains` EGA's (a
# difference of {glue:text}`gain`; {glue:text}`other_dataset`: {glue:text}`other_gain`). The share
# of the agreement mass on the target is {glue:text}`narrower` that of EGA's own mass. The
# correlation of DEA's lead with the thinness of the target is {glue:text}`thinness_goes` 0, that
# with clutter {glue:text}`clutter_goes` 0. Of the {glue:text}`alphas_claimed` values of $\alpha$ in
# the paper's range the lead has an interval above 0 for {glue:text}`held_tdd` in TDD and for
# {glue:text}`held_excess_tdd` in excess TDD.
