# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Parts taken away
#
# In this notebook, we hold the metrics of classifiers' attribution maps against a truth that is
# measured. A shape's pixels, the truth of [Which metric follows the truth?](arcc_shapes.ipynb), are
# where the evidence should lie, not where a model found it. FunnyBirds
# {cite:p}`hesse2023funnybirds` asks the model: its classes differ by five parts, each of which can
# be taken out of the scene.
#
# :::{admonition} In short
# {glue:text}`compared` Over {glue:text}`images` images of {glue:text}`dataset`, the highest
# correlation with what {glue:text}`model` loses without its parts has, over the images of a method,
# {glue:text}`highest_within`, over the means of methods, {glue:text}`highest_across`, and over all
# maps, {glue:text}`highest_pooled`. ARCC's own is {glue:text}`arcc_within`,
# {glue:text}`arcc_across` and {glue:text}`arcc_pooled`. The lowest has {glue:text}`lowest_within`,
# {glue:text}`lowest_across` and {glue:text}`lowest_pooled`.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/arcc_parts"  # a folder of finished results is read, any other is made
dataset = "part_figures"  # whose parts can be taken away, or "funnybirds"
root = None
split = None
samples = 16  # of a run without a record
order = "shuffled"
image_size = 224
model = "figures_resnet"
layer = None  # None takes the model's shallowest stage
layers = None
scalar = None  # that is explained; None takes the logit
methods = None  # None takes all that are registered for classifiers
trivial = None  # maps that know nothing; None takes all that are registered
surrogate_samples = 200  # images that LIME and KernelSHAP look at
steps = 50  # of Integrated Gradients
seed = 0
device = None
precision = "float32"
batch_size = None
workers = 0  # processes, or the address of a scheduler: tcp://...
resamples = 1999  # of the correlations' intervals
level = 0.95  # of the intervals
checked = 1  # samples that are computed again where a record stands
photo_ids = ["coffee"]  # photographs that the page opens with
photo_model = "imagenet_mobilenet_v2"  # the classifier that names them
photo_layers = None  # shallow to deep, CAMs standing at the shallowest; None takes its own stages
photo_methods = ["layercam", "random_smooth"]  # the last a control
photo_share = 0.2  # of the pixels are taken away

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import arcc_parts as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# ## A photograph, and pixels taken away
#
# The classifier {glue:text}`photo_model` names {glue:text}`photo_said`. Take away the
# {glue:text}`photo_share` of the pixels that a map marks most, filled with the photograph's mean
# colour, and see whether the model can do without; keep them alone, and see whether they are
# enough. The last row's map in {numref}`fig-parts-photograph` is smooth noise, which knows neither
# the model nor the photograph.

# %% mystnb={"image": {"alt": "A photograph, a method's map of its class and one of noise; the photograph without the pixels that each map marks most, and these pixels alone, with the probability of the class under each."}, "figure": {"name": "fig-parts-photograph", "caption": "A photograph, a map over it, the photograph without the {glue:text}`photo_share` of the pixels that the map marks most, and these pixels alone, a row a map, the last of smooth noise; below is the probability of the class that the classifier names."}} tags=["hide-input"]
page.photo_pixels(runs)

# %% [markdown]
# Photograph: {glue:text}`photo_credit`.

# %% mystnb={"figure": {"name": "tab-parts-photograph", "caption": "The probability of the class that the classifier names, of the whole photograph, without the {glue:text}`photo_share` of the pixels that a map marks most, and of these alone, a row a map."}} tags=["hide-input"]
page.photo_table(runs)

# %% [markdown]
# Noise is the yardstick: what its pixels cost, any pixels cost. A photograph with holes is no
# photograph any more, and a model may falter for the holes and not for what they hide; what the
# picture would be without a *part*, nobody can tell. Scenes that are drawn can be drawn again
# without it.
#
# ## The methods by the parts
#
# *Completeness*: are the parts that a map marks enough for the class, and needed, and is nothing
# marked that the model can do without? *Correctness*: do the parts rank by the map as they rank by
# what the logit loses without each? *Contrastivity*: does the map move to the parts of the class it
# is asked about? The score is the mean of the three, and lies in [0, 1].

# %% mystnb={"figure": {"name": "tab-parts-methods", "caption": "Completeness, correctness and contrastivity of every method's maps, and their mean, the score, as means over {glue:text}`images` images of {glue:text}`dataset`; the maps that know nothing stand below the methods."}} tags=["hide-input"]
page.summed(runs)

# %% [markdown]
# Means over {glue:text}`images` images of {glue:text}`dataset`: {glue:text}`basis`. In
# {glue:text}`right` of {glue:text}`asked` cases {glue:text}`model` names the class rightly (share
# with Wilson's {glue:text}`level` interval: {glue:text}`accuracy`). The {glue:text}`methods`
# methods above, the maps that know nothing below. A map that does not depend on the class has no
# contrastivity to win; one that marks everything is complete by half.
#
# ## Which metric follows the score?
#
# {glue:text}`compared`
#
# The metrics of the same maps against the score. Thick: the score; thin: its three parts, and the
# cosine of the same maps with the parts' pixels, the truth of where a map should lie. Against the
# score the cosine is a metric among the others. Intervals are {glue:text}`level` BCa bootstrap
# intervals over images.

# %% mystnb={"image": {"alt": "Forest plot of Pearson's correlation of the metrics with FunnyBirds' score, its three parts and the cosine with the parts' pixels, a panel each for images of a method, means of methods and all maps, with intervals."}, "figure": {"name": "fig-parts-correlations", "caption": "Pearson's correlation of every metric (rows) with FunnyBirds' score (thick), with its three parts and with the cosine of the same maps with the parts' pixels (thin), with {glue:text}`level` intervals; a panel each for the images of a method, the means of methods and all maps."}} tags=["hide-input"]
page.forest(runs)

# %% [markdown]
# As numbers, Pearson's and Spearman's correlation with the score:

# %% mystnb={"figure": {"name": "tab-parts-correlations", "caption": "Pearson's and Spearman's correlation of every metric (rows) with FunnyBirds' score, over the images of a method, the means of methods and all maps (columns), with {glue:text}`level` intervals."}} tags=["hide-input"]
page.with_score(runs)

# %% [markdown]
# Of the metrics the highest and the lowest correlation with the score have, over the images of a
# method, {glue:text}`highest_within` and {glue:text}`lowest_within`, over the means of methods,
# {glue:text}`highest_across` and {glue:text}`lowest_across`, over all maps,
# {glue:text}`highest_pooled` and {glue:text}`lowest_pooled`. A metric is told apart where it lies
# beyond every other, adjusted over all pairs (max-T). A metric that changes sides between the score
# and the cosine says as much of the two truths as of itself: the cosine asks where a map lies, the
# score what the model lost there.
#
# ## What was reproduced, and what was not
#
# {cite:t}`domeniconi2026cam` find AD lowest on FunnyBirds, as on the shapes, and ARCC, highest on
# the shapes, no better there than ROAD (their section 3.5). Both claims of the shapes, asked of
# this truth:

# %% mystnb={"figure": {"name": "tab-parts-claims", "caption": "The ARCC paper's claims of the highest and the lowest correlation, held against FunnyBirds' score, a row each, and what {glue:text}`images` images of {glue:text}`dataset` say of each: yes, no or undecided."}} tags=["hide-input"]
page.reproduced(runs)

# %% [markdown]
# {glue:text}`held` hold. The three ways are ours, and so are the part-made figures, drawn here in
# FunnyBirds' layout. The published archive takes their place with
# `-p dataset=funnybirds -p root=...` and a classifier of its fifty classes as
# `-p model=file.py:function`.
#
# :::{admonition} What to trust
# :class: important
# What a model loses without a part is measured, not supposed, and so is a better truth than where the
# part lies; but it is a truth of drawn figures, of one model and of {glue:text}`images` images, and
# an {term}`interval` over so few is wide. *Not told apart from every other* names no winner. On the
# photograph nothing is shown beyond that noise costs something as well.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Take away another share of the photograph, on few figures:
#
#   ```sh
#   .venv/bin/segattr execute arcc_parts -p photo_share=0.1 -p samples=3 \
#       -p surrogate_samples=40 -p steps=8 -p results=results/parts -o parts.ipynb
#   ```
# - Cut cells away by hand in [Judge a map yourself](../judge.md): which part of an object can the
#   model not do without?
# - Compute samples again: `.venv/bin/segattr verify part_figures --samples 3`.
# ::::
#
# **What we learnt.** On these {glue:text}`images` images the highest correlation with what the
# model loses has {glue:text}`highest_within` over the images of a method,
# {glue:text}`highest_across` over the means of methods and {glue:text}`highest_pooled` over all
# maps. Of the paper's claims {glue:text}`held` hold of this truth, too.
