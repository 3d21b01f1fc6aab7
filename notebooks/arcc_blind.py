# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Maps that know nothing
#
# In this notebook, we show the metrics of classifiers' attribution maps what knows nothing of the
# model, and see which of them take it for a good map. {cite:t}`domeniconi2026cam` find that a map
# of one half everywhere fools Average Drop (AD) and ADCC, and neither ROAD nor ARCC.
#
# :::{admonition} In short
# On {glue:text}`images` images of {glue:text}`dataset` the half map {glue:text}`half_average_drop`
# and {glue:text}`half_adcc`: minus the mean of {glue:text}`methods` methods it scores
# {glue:text}`lead_average_drop` and {glue:text}`lead_adcc`, above 0 being better. It
# {glue:text}`half_road` and {glue:text}`half_arcc` ({glue:text}`lead_road` and
# {glue:text}`lead_arcc`). Of all {glue:text}`blind` maps that know nothing,
# {glue:text}`lies_average_drop` fool AD, {glue:text}`lies_adcc` ADCC, {glue:text}`lies_road` ROAD
# and {glue:text}`lies_arcc` ARCC. On {glue:text}`other_images` images of
# {glue:text}`other_dataset` the half map {glue:text}`other_half_average_drop`,
# {glue:text}`other_half_adcc`, {glue:text}`other_half_road` and {glue:text}`other_half_arcc`. Maps
# that fool a metric on the one kind of images and not on the other: {glue:text}`apart`.
# :::
#
# The images, models, methods and metrics are those of [Which metric follows the
# truth?](arcc_shapes.ipynb), where the metrics are explained. The same maps are looked at, computed
# once.

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/arcc_shapes"  # the run of the page on the truth; a finished one is read
dataset = "single_shapes"
root = None
split = None
backgrounds = None  # a folder of pictures to lie behind the shapes
samples = 16  # of a run without a record
order = "shuffled"
image_size = 224
model = ["shapes_vgg11", "shapes_resnet18", "shapes_swin", "shapes_convnext"]
layer = None  # of every model; None takes each one's shallowest stage
layers = None
scalar = None  # that is explained; None takes the logit
methods = None  # None takes all that are registered for classifiers
trivial = None  # maps that know nothing, and the truth; None takes all that are registered
surrogate_samples = 200  # images that LIME and KernelSHAP look at
steps = 50  # of Integrated Gradients
seed = 0
device = None
precision = "float32"
batch_size = None
workers = 0  # processes, or the address of a scheduler: tcp://...
level = 0.95  # of the intervals
checked = 1  # samples that are computed again where a record stands
many_dataset = "voc"  # photographs to count over: recorded, or below many_root
many_root = None
many_split = "voc200"
many_class_map = "voc_imagenet"
many_samples = None
many_model = "imagenet_mobilenet_v2"
photo_ids = ["chelsea"]  # photographs that the page opens with
photo_model = "imagenet_mobilenet_v2"  # the classifier that names them
photo_layers = None  # shallow to deep, CAMs standing at the shallowest; None takes its own stages
photo_methods = ["layercam", "half", "all_ones"]  # a method, and maps that know nothing

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import arcc_blind as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# ## A photograph, and maps that never saw it
#
# The classifier {glue:text}`photo_model` names {glue:text}`photo_said`. The first map is of that
# class; the others would be the same of any photograph and any classifier.

# %% mystnb={"image": {"alt": "A photograph, named by an ImageNet classifier with its probability, a method's map of that class, and maps that are constant but for a pixel or two."}, "figure": {"name": "fig-blind-photograph", "caption": "A photograph with what the classifier {glue:text}`photo_model` names on it and the probability, a method's map of that class, and beside it maps that know neither the photograph nor the classifier."}} tags=["hide-input"]
page.photo_maps(settings, runs)

# %% [markdown]
# Photograph: {glue:text}`photo_credit`.

# %% mystnb={"figure": {"name": "tab-blind-photograph", "caption": "What AD, ADCC, ROAD and ARCC (columns) say of each map of the photograph (rows), one of a method and others that know nothing."}} tags=["hide-input"]
page.photo_scores(runs)

# %% [markdown]
# AD puts {glue:text}`photo_first_average_drop` first, ADCC {glue:text}`photo_first_adcc`, ROAD
# {glue:text}`photo_first_road` and ARCC {glue:text}`photo_first_arcc`. So few maps prove nothing;
# the rest of the page counts over many images.
#
# ## Beside the methods
#
# *Random* pixels; *half*, one half everywhere but for two pixels; *all ones*, 1 everywhere but for
# one: the paper's trivial maps. Ours beyond them: a Gaussian at the *centre*, the image's *edges*,
# and, where it is known, the *ground truth* as an upper control. Dots are means over
# {glue:text}`images` images of {glue:text}`dataset`, under {glue:text}`models` classifiers, with
# {glue:text}`level` studentised bootstrap intervals over images, the trivial maps in grey:
# {glue:text}`basis`. The share of these images whose class is named rightly, with Wilson's
# interval: {glue:text}`accuracy`. Beside it, and never pooled with it, {glue:text}`other_images`
# images of {glue:text}`other_dataset` under {glue:text}`other_models` classifiers:
# {glue:text}`other_basis`; named rightly: {glue:text}`other_accuracy`.

# %% mystnb={"image": {"alt": "Dot plots of mean Average Drop and mean ADCC of the methods and the trivial maps, with intervals, the trivial maps in grey."}, "figure": {"name": "fig-blind-fooled", "caption": "Mean ADCC and mean AD of every method and every trivial map (grey) over {glue:text}`images` images of {glue:text}`dataset`, with {glue:text}`level` intervals; rows are in the order of ADCC, the highest above."}} tags=["hide-input"]
page.dots(settings, runs.first, ["adcc", "average_drop"])

# %% mystnb={"image": {"alt": "Dot plots of mean ARCC and mean ROAD of the methods and the trivial maps, with intervals, the trivial maps in grey."}, "figure": {"name": "fig-blind-unfooled", "caption": "Mean ARCC and mean ROAD of every method and every trivial map (grey) over {glue:text}`images` images of {glue:text}`dataset`, with {glue:text}`level` intervals; rows are in the order of ARCC, the highest above."}} tags=["hide-input"]
page.dots(settings, runs.first, ["arcc", "road"])

# %% mystnb={"image": {"alt": "Dot plots of mean Average Drop and mean ADCC of the methods and the trivial maps on the images that stand beside, with intervals, the trivial maps in grey."}, "figure": {"name": "fig-blind-fooled-beside", "caption": "Mean ADCC and mean AD of every method and every trivial map (grey) over {glue:text}`other_images` images of {glue:text}`other_dataset`, with {glue:text}`level` intervals; rows are in the order of ADCC, the highest above."}} tags=["hide-input"]
page.dots(settings, runs.second, ["adcc", "average_drop"])

# %% mystnb={"image": {"alt": "Dot plots of mean ARCC and mean ROAD of the methods and the trivial maps on the images that stand beside, with intervals, the trivial maps in grey."}, "figure": {"name": "fig-blind-unfooled-beside", "caption": "Mean ARCC and mean ROAD of every method and every trivial map (grey) over {glue:text}`other_images` images of {glue:text}`other_dataset`, with {glue:text}`level` intervals; rows are in the order of ARCC, the highest above."}} tags=["hide-input"]
page.dots(settings, runs.second, ["arcc", "road"])

# %% [markdown]
# ## Which metrics do they fool?
#
# Each trivial map minus the mean of the methods on the same images, signed so that above 0 the
# trivial map looks better. It *fools* a metric (marked ✗) when the interval says that it is not
# worse by {glue:text}`margin` or more, in the metric's own unit; it does not when the interval lies
# below 0; else, as wherever there is no interval, it is undecided (marked ?).
# {numref}`tab-blind-leads` has them all.

# %% mystnb={"figure": {"name": "tab-blind-leads", "caption": "Every trivial map (rows) minus the mean of the {glue:text}`methods` methods on the same images in AD, ADCC, ROAD and ARCC (columns), signed so that above 0 the trivial map looks better, with {glue:text}`level` intervals, for each kind of images; ✗ marks a map that fools the metric, ? one that may or may not."}} tags=["hide-input"]
page.leads(settings, runs)

# %% [markdown]
# On {glue:text}`dataset` the half map {glue:text}`half_average_drop`, {glue:text}`half_adcc`,
# {glue:text}`half_road` and {glue:text}`half_arcc`. Of the {glue:text}`blind` maps that know
# nothing, {glue:text}`lies_average_drop` fool AD, {glue:text}`lies_adcc` ADCC,
# {glue:text}`lies_road` ROAD and {glue:text}`lies_arcc` ARCC. On {glue:text}`other_dataset`:
# {glue:text}`other_lies_average_drop`, {glue:text}`other_lies_adcc`, {glue:text}`other_lies_road`
# and {glue:text}`other_lies_arcc`. To the contrary: {glue:text}`apart`.
#
# ## Can the intervals be trusted?
#
# How often does each kind of interval hold the true mean of differences that are shaped as this
# page's own: drawn with replacement from those of two methods less their mean? The page uses the
# studentised bootstrap, which held it in {glue:text}`coverage` of the repeats, and no interval
# below {glue:text}`fewest` images.

# %% mystnb={"figure": {"name": "tab-blind-coverage", "caption": "How often each kind of interval held the true mean of differences that are shaped as this page's own, with Wilson's interval, beside the share that it promises; a row a kind of interval."}} tags=["hide-input"]
page.coverages(runs)

# %% [markdown]
# ## What was reproduced, and what was not
#
# The claims of the paper's section 3.3, as {glue:text}`dataset` has them:

# %% mystnb={"figure": {"name": "tab-blind-claims", "caption": "The ARCC paper's claims on trivial maps, a row each, and what {glue:text}`images` images of {glue:text}`dataset` say of each: yes, no or undecided."}} tags=["hide-input"]
page.reproduced(runs.first)

# %% mystnb={"figure": {"name": "tab-blind-claims-beside", "caption": "The ARCC paper's claims on trivial maps, a row each, and what {glue:text}`other_images` images of {glue:text}`other_dataset` say of each: yes, no or undecided."}} tags=["hide-input"]
page.reproduced(runs.second)

# %% [markdown]
# {glue:text}`held` hold, and {glue:text}`other_held` on {glue:text}`other_dataset`, the second
# table where there are two. What differs from the paper: the models and the number of images of
# this profile (see the [status page](status.ipynb)), and procedural backgrounds in the place of the
# picture book's. *Fools*, with its margin, is ours. The paper's figure of trivial maps is about
# ImageNet: the same page runs there on a folder of images a class, with `-p dataset=image_folder -p
# root=... -p model=resnet50`; where no truth is known there is no map of it.
#
# :::{admonition} What to trust
# :class: important
# That a metric is fooled: one map that knows nothing and scores as well as the methods is enough. Not
# that a metric is safe because *these* maps do not fool it; they are few, and none was searched for.
# *Fools* hangs on a margin, which is ours. A metric that is fooled may still order methods among
# themselves; whether it does, [Which metric follows the truth?](arcc_shapes.ipynb) asks.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Open the page with another photograph and another {term}`control`:
#
#   ```sh
#   .venv/bin/segattr execute arcc_blind -p 'photo_ids=[coffee]' \
#       -p 'photo_methods=[layercam, centre, edges]' -o blind.ipynb
#   ```
# - Judge a map of one value on a picture of your own: draw it in
#   [Judge a map yourself](../judge.md).
# - Compute samples again: `.venv/bin/segattr verify single_shapes --samples 3`.
# ::::
#
# **What we learnt.** On these {glue:text}`images` images of {glue:text}`dataset` the half map
# {glue:text}`half_average_drop`, {glue:text}`half_adcc`, {glue:text}`half_road` and
# {glue:text}`half_arcc`. Of the {glue:text}`blind` maps that know nothing,
# {glue:text}`lies_average_drop` fool AD, and {glue:text}`lies_arcc` ARCC. Maps that fool a metric
# on the one kind of images and not on the other: {glue:text}`apart`.
