# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Status
#
# In this notebook, we write down how this book was made: when each of its pages ran, for how long
# and with what, and what the models that come with it reach.
#
# :::{admonition} In short
# The {glue:text}`pages` other pages of this book were executed with the profile
# {glue:text}`profile`. That took {glue:text}`minutes` minutes in all, on {glue:text}`machine`,
# Python {glue:text}`python`. With the library come {glue:text}`models` small models, and what each
# of them reaches stands below.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
pages = "book/executed"  # the folder of the executed notebooks
contents = "_toc.yml"  # the pages of the book, in order

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import status as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# ## The pages
#
# Each page tells the source, library, packages, parameters and data that it was made from by a
# digest, and is made again when one of them changes; so the times of two pages may lie apart.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.pages_table(runs)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.versions_table(runs)

# %% [markdown]
# ## The embedded models
#
# What the metadata of the weights' own files say; a test measures it again.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.segmenters_table(runs)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.classifiers_table(runs)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.figures_table(runs)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.sam2_table(runs)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.copies_table(runs)

# %% [markdown]
# ## Models that others trained
#
# Source and terms of each, and what it reaches on images of Pascal VOC's split `voc200`, by the
# metadata of its file; a test measures it again where these images are. Mean IoU is over the classes
# that are on the images or are said to be, pixels without a class left out. Squares are squeezed, as
# the benchmark shows images; at the long side, images keep their proportions and are padded to a
# square with grey. A classifier tells an image if, of the classes in the class map `voc_imagenet`,
# the one it scores highest is on it; images without any of them are left out.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
page.cards(runs)

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# The times are of one machine; what a model reaches is of images that it was not trained on, and a
# test measures it again from the shipped file. A page whose source, library, packages, parameters or
# data have changed since is made again by the next `make book`.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Make one page anew, in seconds, under the profile that only asks whether all runs:
#
#   ```sh
#   .venv/bin/segattr execute explore --profile smoke -o explore.ipynb
#   ```
# - Train a model again: `make train SUITE=arcc` (hours on few cores).
# - Compute samples of every record that needs no download again, such as
#   `.venv/bin/segattr verify scenes single_shapes --samples 3`.
# ::::
#
# **What we learnt.** The profile of the {glue:text}`pages` pages is {glue:text}`profile`, and
# {glue:text}`models` models came with the library.
