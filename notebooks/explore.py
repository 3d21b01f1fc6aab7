# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explore one image at a time
#
# In this notebook, we look behind the tables: one image, one model, one method, and what happens to
# the map and to its metrics when a setting changes. The code that fills the benchmark's tables
# computes what is shown here, so the same choice gives the same value.
#
# :::{admonition} In short
# This page concludes nothing: one map of one image is a case. It is for looking at cases, and for
# trying what a setting does before many images are asked. In the book it shows the state in which
# the app starts.
# :::
#
# - **Sample**: photographs that come with installed packages, and with **Upload a picture** one of
#   your own. Nobody labelled them: what is explained is what the model says.
# - **Target**: the most frequent class of the image, outlined; or `largest_component`,
#   `class=person`, `point=x,y` or `box=x0,y0,x1,y1` in pixels of the picture. A click on the
#   picture names the point.
# - **Model**, **Method**: whatever is registered. **Beside**: a second method, held against the
#   same blind selections.
# - **k**: the share of the target's pixels that is deleted, the map's highest first.
# - **Grid**: the cells a side of the interventions (RIA, and DEA through it).
# - **alpha**, **beta**: DEA's weight of gradients against interventions, and its reward for their
#   agreement. They fuse maps that are there already, so they answer at once.
# - **Cues**, **Points**: the segmenter that points of the map prompt, and how many of either kind:
#   inside from the map's highest pixels, outside from its lowest, drawn as on the page of
#   [explainers as prompts](wsss_sam2.ipynb). Its mask stands beside the map's own, thresholded, and
#   with labels the table has the IoU of both with the truth.
#
# What a method does not take is greyed out. Beside each map stand the picture without the map's
# top and the score that is left as more of the target is deleted. The sentence under the pictures
# is the one that `segattr explain PHOTO` prints: does the map leave chance behind, or is it not
# to be read? While a map is computed, the app says how many passes were made; a further choice or
# **Cancel** ends that. Below the table, the settings can be saved for `segattr benchmark -f`, the
# figure as SVG.

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
dataset = "photographs"
root = None
split = None
backgrounds = None
class_map = None  # explain classifiers on masks: which of their classes each of the data's is
samples = 20
target = "frequent"
image_size = 224  # px; of photographs the long side
model = "voc_deeplabv3_mobilenetv2"
layer = None
device = None

# %% tags=["remove-cell"]
from segattr_lib.explorer import explore, frozen
from segattr_lib.report.page import parameters

app = explore(**parameters())

# %% tags=["remove-cell"]
app

# %% [markdown]
# The app itself needs a live kernel: `make lab`, then run this notebook. In the book you see the
# state it starts in; the slider of [the benchmark](benchmark.ipynb) moves in the page.

# %% mystnb={"code_prompt_show": "Show the code", "figure": {"name": "fig-explore-state", "caption": "The explorer as it starts: the image with its target outlined, the map over it, the image without the map's top, and the score that is left as more is deleted; below it whether the map leaves chance behind."}} tags=["hide-input"]
frozen(app)

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# What is shown of this image, this model and this setting, and nothing beyond it. A map that does
# not leave {term}`blind selections <blind selection>` behind is not to be read, however well it
# looks; one that does has shown that its pixels matter, not that it is complete. Two images that
# agree are two cases.
# :::
#
# ::::{admonition} What to try
# :class: tip
# Start the app: `make lab`, or `make app` for a page of its own.
#
# 1. **Is the map better than noise?** Choose *random pixels*: what is left of the score when
#    scattered holes are cut that know nothing of the model? Then *random smooth*, noise of a CAM's
#    {term}`grain`. Compare {term}`TDD` and {term}`excess TDD`, which subtracts what a blind
#    selection as large and as ragged earns.
# 2. **What does a finer grid buy?** Move the grid from coarse to fine under {term}`RIA`: its
#    {term}`passes <pass>` are the square of the cells a side and one more. Do the cells follow the
#    target's edge, and what do TDD and excess TDD say of it?
# 3. **Which half of DEA carries it?** Set alpha to 0 (interventions alone), then to 1 (gradients
#    alone). With alpha at 1, beta still lifts the pixels on which both agree.
# 4. **Where does the ratio break?** Find a target with a small s(x): TDD divides by it, so small
#    changes of the score become large values. The benchmark therefore shows a mean over
#    {term}`well scored` samples beside the plain one.
# 5. **What do ties decide?** Under RIA all pixels of a cell tie; the {term}`tied share` says how
#    much of the deleted region was chosen by row order, not by the map.
# 6. **Is the map a mask?** Let its points prompt the random walker, which has learnt nothing, and
#    hold its mask against the map's own. Then move the points: when do more stop helping?
#
# Without a kernel, [Judge a map yourself](../judge.md) has a model in the page; another picture or
# model opens the app with `.venv/bin/segattr execute explore -p target=class=person -o mine.ipynb`.
# ::::
#
# **What we learnt.** Nothing that holds beyond the image shown: one map of one image is a case, and
# this page is for cases. What holds over many is on [the benchmark's page](benchmark.ipynb) and
# those after it.
