# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What it costs
#
# In this notebook, we show what maps, metrics and a whole benchmark cost, beside the same work done
# with captum, grad-cam and torchcam on the same models and images, and beside a bound: what their
# {term}`passes <pass>` alone would cost.
#
# :::{admonition} In short
# The whole benchmark of four methods runs {glue:text}`whole` times as fast as a short script of the
# other packages, {glue:text}`whole_adaptive` times with adaptive interventions. Of
# {glue:text}`rows` rows, {glue:text}`slower` take longer than the fastest other package
# ({glue:text}`slower_names`). Memory at its peak grows by a factor of {glue:text}`memory` while the
# images of a run become {glue:text}`more_images` times as many. A wrong setting is refused within
# {glue:text}`refusal` of the time that is promised.
# :::
#
# The times are recorded, not made with this page: `make bench` takes minutes, and a machine that
# builds a book is a busy one. It writes the file that this page reads, with the machine it ran on;
# on another one the same command gives another page.

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
record = "book/evidence/bench.json"  # what `make bench` wrote

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import costs as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(runs))

# %% [markdown]
# ## How it was measured
#
# Calls that are compared take turns, {glue:text}`repeats` times over, so that a busy moment meets
# all of them; the shortest time is what an undisturbed machine takes, and ratios are of the
# shortest. The other packages have the model as it was loaded and are called as their documentation
# calls them; where captum can be told how many images to ask at once, it is timed with the number
# that runs fastest as well, and the faster of the two stands in the tables. Where definitions
# agree, so do the results: the largest difference of the {glue:text}`compared` rows that can be
# compared is {glue:text}`difference`.
#
# The *bound* is the number of passes a row takes times an image's share of the model's own batched
# pass, by the engine that makes them (asked for: {glue:text}`engine`). It was measured between the
# other calls. A backward pass counts as two, which is more than it costs where it ends at a deep
# layer, so that a CAM can lie below its bound.

# %% mystnb={"figure": {"name": "tab-costs-machine", "caption": "The machine and the versions that the recorded times are of."}} tags=["hide-input"]
page.machine_table(runs)

# %% [markdown]
# ## The whole benchmark
#
# GPA, EGA, RIA and DEA, deleted from, inserted and explained again under five perturbations, from
# nothing to the table of values: model and data are loaded by both. The script (`tests/bench`) goes
# image by image, computes each map once and fuses DEA of the maps it has. Ours takes
# {glue:text}`whole_to_bound` times its bound, and {glue:text}`whole_to_needed` times the passes
# that cannot be done without: every map once, GPA and EGA of one backward pass, every filled image
# once. What is left to save is in what is asked. With stability compared on a coarser grid, whose
# price stands in [Beyond DEA](beyond_dea.ipynb), it is {glue:text}`whole_coarse` times as fast as
# the script, which has no such grid.

# %% mystnb={"figure": {"name": "tab-costs-whole", "caption": "A whole benchmark of four methods by this library and by a short script of the other packages: seconds, their ratio, and the bound, which is what the passes alone would cost."}} tags=["hide-input"]
page.whole_table(runs)

# %% [markdown]
# ## Methods and metrics
#
# Each dot of {numref}`fig-costs-ratios` is our time over that of the fastest other package; left of the line ours is faster. Over
# the rows of one image the median ratio is {glue:text}`single`, over those of several at once
# {glue:text}`several`.

# %% mystnb={"image": {"alt": "A dot plot on a logarithmic axis: for each method and metric, our time over that of the fastest other package, for one image and for several at once, with a line where both take the same."}, "figure": {"name": "fig-costs-ratios", "caption": "Our time over that of the fastest other package, a row a method or metric and model, for one image and for several at once, on a logarithmic axis; left of the line ours is faster."}} tags=["hide-input"]
page.ratios_plot(runs)

# %% [markdown]
# RIA takes {glue:text}`ratio_ria` times what captum's ablation of the same cells takes at most, and
# {glue:text}`ria_to_bound` times its bound. Score-CAM takes {glue:text}`ratio_scorecam` times, ROAD
# {glue:text}`ratio_road` times and ARCC {glue:text}`ratio_arcc` times what the packages' own take.
# RefineCAM at all stages, whose maps are of one pass forward and back, costs at most
# {glue:text}`refinecam` times one CAM at the shallowest.

# %% mystnb={"figure": {"name": "tab-costs-methods", "caption": "Methods: our shortest time (and median) in milliseconds, the fastest other package and its time, their ratio, ours to the bound, and the largest difference of the results."}} tags=["hide-input"]
page.methods_table(runs)

# %% mystnb={"figure": {"name": "tab-costs-metrics", "caption": "Metrics: our shortest time (and median) in milliseconds, the fastest other package and its time, their ratio, ours to the bound, and the largest difference of the results."}} tags=["hide-input"]
page.metrics_table(runs)

# %% [markdown]
# The rows in which another package is faster ({glue:text}`slower` of {glue:text}`rows`):

# %% mystnb={"figure": {"name": "tab-costs-slower", "caption": "The rows in which another package is faster than ours."}} tags=["hide-input"]
page.slower_table(runs)

# %% [markdown]
# Of the {glue:text}`bounded` rows, {glue:text}`above` take more than {glue:text}`near` times their
# bound. A pass over one image costs more than an image's share of a large batch, so a row of one
# image and one pass cannot meet it; what else lies above it is work beside the passes.
#
# ## How it grows
#
# Time and memory at its peak of a run in a process of its own, against the number of images, their
# size in px, RIA's cells a side and the number of methods. Each axis is moved alone.

# %% mystnb={"image": {"alt": "Line charts of seconds and of peak memory of a run against the number of images, the image size, the grid and the number of methods."}, "figure": {"name": "fig-costs-growth", "caption": "Seconds and peak memory of a run in a process of its own, against the number of images, their size, RIA's cells a side and the number of methods, each moved alone."}} tags=["hide-input"]
page.growth_plot(runs)

# %% [markdown]
# From the fewest images to {glue:text}`more_images` times as many, a run takes
# {glue:text}`time_images` times as long, what it takes to begin included, and its memory grows by a
# factor of {glue:text}`memory`. Two [workers](../machines.md) with a core each take
# {glue:text}`time_workers` of the time of one, what the cluster takes to begin included: an
# efficiency of {glue:text}`efficiency`.
#
# ## Starting, and saying no
#
# A refusal that needs neither a user's file nor a model comes before torch is imported. Of the
# {glue:text}`refusals` wrong settings, the slowest is refused in {glue:text}`refusal` of the time
# promised, in seconds of one core; {glue:text}`broken` promises are broken.

# %% mystnb={"figure": {"name": "tab-costs-starting", "caption": "How long it takes to start, and to refuse a wrong setting, beside what is promised, in seconds of one core."}} tags=["hide-input"]
page.starting_table(runs)

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# Ratios, since what is compared took turns on one machine; {term}`passes <pass>` before seconds,
# since they are the same on every machine. Times of one image say little of a batch, and the bound
# says what no package can save without asking less. Another processor, an accelerator or other
# versions give other ratios: the table names those that these are of.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Time it on your machine, on few images, and read this page from your own file:
#
#   ```sh
#   make bench BENCH="--quick --out mine.json"
#   .venv/bin/segattr execute costs -p record=mine.json -o costs.ipynb
#   ```
# - Count what a run would cost before it begins: `.venv/bin/segattr record scenes --plan`.
# ::::
#
# **What we learnt.** The benchmark of four methods runs {glue:text}`whole` times as fast as the
# short script, with adaptive interventions {glue:text}`whole_adaptive` times. Another package is
# faster in {glue:text}`slower` of {glue:text}`rows` rows, and {glue:text}`above` of
# {glue:text}`bounded` lie above {glue:text}`near` times their bound. Memory grows by a factor of
# {glue:text}`memory` with {glue:text}`more_images` times as many images.
