# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Judged in its own world
#
# In this notebook, we ask what is left of the order of methods when the judge knows what a hole is.
# A metric of deletion shows a segmenter an image that it never saw, and what it then loses may be
# surprise more than evidence. {cite:t}`zheng2024ffidelity` let a copy judge that was tuned on
# images with random holes; {cite:t}`hesse2024idsds` explain and judge such a model. We tune copies
# of shipped segmenters on holes that no explanation chose, and judge both ways.
#
# :::{admonition} In short
# Of {glue:text}`kinds` kinds of deletion {glue:text}`known_before` leave the originals at least
# {glue:text}`bar` of their answer and {glue:text}`known` the copies, which lose at most
# {glue:text}`most_lost` mean IoU on whole images. On {glue:text}`images_photographs` photographs
# the copy's order of {glue:text}`maps` maps agrees with the model's own by a Kendall's tau of
# {glue:text}`tau_photographs_plain_judged`, and with that of excess over chance by
# {glue:text}`tau_photographs_excess_judged`; of the maps that see the model alone, by
# {glue:text}`tau_seeing_photographs_plain_judged` and
# {glue:text}`tau_seeing_photographs_excess_judged`. Pixel noise is
# {glue:text}`noise_place_photographs_plain` by the model and
# {glue:text}`noise_place_photographs_judged` by its copy. Where the evidence was planted on the
# target, maps are ordered most as the truth has it {glue:text}`nearest_planted_own`; where it was
# planted off the target, {glue:text}`nearest_planted_context`.
# :::
#
# 1. Which kinds of deletion are in domain, and what does that cost?
# 2. How are methods ordered by the model, by excess over chance, and by the copy?
# 3. Do the orders agree?
# 4. Which of them orders maps as the planted truth does?

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/in_domain"  # a folder for each run is made in it; finished ones are read
samples = 2  # of each kind of generated scenes are computed here; where there is a record it speaks
photo_dataset = "voc"
photo_root = None  # where VOC lies; None leaves the records alone to speak
photo_split = "voc200"
photo_region = "truth"  # whose labels: "truth" or "predicted"; None: the masks where there are any
photo_samples = 2  # of the photographs are computed here, where they lie; None takes all
image_size = 224
methods = None  # a list of names; None takes those that are recorded of every kind of images
k = 0.2
grid = 14
budget = 49
fill = "mean"
null_every = 1  # of the blind selections, every how manieth
seed = 0
device = None
precision = "float32"
engine = "auto"
batch_size = None
workers = 0  # processes, or the address of a scheduler: tcp://...
least = 0.3  # images that the model or its copy scores lower are left out
level = 0.95  # of the intervals

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import in_domain as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# ## Which kinds of deletion are in domain
#
# Each copy went on learning from images of which a random share was deleted: pixels alone, cells of
# random size, or the level set of smooth noise, in the whole image, inside one object or outside
# it, under every fill, and every third image was left whole. What it was to say was the truth, or,
# on photographs, what the original says of the whole image, so that no label was used. A kind of
# deletion is *in domain* where the answer to an image whose object lacks a fifth keeps an
# intersection over union (IoU) of at least {glue:text}`bar` with the model's own answer to the
# whole image. No copy judges an image that it was tuned on: a run that asks for it is refused.

# %% mystnb={"image": {"alt": "Dot plot of the IoU with a model's own answer after deletion of pixels, cells and smooth patches: the original's joined to its copy's, a panel a model, a dashed line at the bar."}, "figure": {"name": "fig-in-domain-kinds", "caption": "IoU with a model's own answer to the whole image after pixels, cells or smooth patches of an object are deleted (rows), under the fill {glue:text}`fill`: the original's dot joined to its copy's, a panel a model; the dashed line is the bar of what is in domain."}} tags=["hide-input"]
page.kinds_chart(runs.kinds, settings.fill)

# %% [markdown]
# {numref}`tab-in-domain-kinds` has the copy's, and in parentheses the original's, for three fills;
# in brackets what is not in domain.

# %% mystnb={"figure": {"name": "tab-in-domain-kinds", "caption": "IoU with its own answer to the whole image that a copy keeps, and in parentheses the original, by model and kind of deletion (rows) and by fill (columns); in brackets what is not in domain."}} tags=["hide-input"]
page.kinds_table(runs.kinds)

# %% [markdown]
# Not in domain under the fill {glue:text}`fill`: {glue:text}`not_in_domain`. There the copy is no
# judge of what such holes cost, however well it knows other kinds. What tuning costs on whole
# images, mean IoU over the classes:

# %% mystnb={"figure": {"name": "tab-in-domain-clean", "caption": "Mean IoU over the classes on whole images of each model as it was and of its copy tuned on holes, and what the copy lost."}} tags=["hide-input"]
page.clean_table(runs.kinds)

# %% [markdown]
# ## The order of methods, by each judge
#
# The same maps are scored three times: by the model that they explain, less what a blind selection
# as ragged earns (excess), and by the copy; then the copy itself is explained and judged. The share
# deleted is k = {glue:text}`k` of the target. Counted are images that both models score at least
# {glue:text}`least` and of which every map has a value that a constant does not decide:
# {glue:text}`images_photographs` photographs. Not ranked, as most images have no such value of
# them: {glue:text}`left_out_photographs`. Before each mean stands the place that it gives.

# %% mystnb={"image": {"alt": "Mean target deletion drop of each method on photographs with its interval: by the model itself, less what chance earns, by the copy, and with the copy explained and judged."}, "figure": {"name": "fig-in-domain-photographs", "caption": "Mean target deletion drop of each method (rows) on photographs, a panel each by the model itself, less what chance earns, by its copy, and with the copy explained and judged: dots are means with {glue:text}`level` intervals."}} tags=["hide-input"]
page.means_chart(runs, "photographs")

# %% mystnb={"figure": {"name": "tab-in-domain-photographs", "caption": "Methods on photographs (rows) in the order of the model's own judgement: by each way of judging (columns) the place, and behind it the mean target deletion drop with its {glue:text}`level` interval."}} tags=["hide-input"]
page.order_table(runs, "photographs")

# %% [markdown]
# Pixel noise earns {glue:text}`noise_photographs_plain` from the model and
# {glue:text}`noise_photographs_judged` from the copy, which is {glue:text}`noise_loses_photographs`
# less; above it stand {glue:text}`above_noise_photographs_plain` of the maps that see the model
# where that judges, and {glue:text}`above_noise_photographs_judged` where its copy does. First is
# {glue:text}`first_photographs_plain` by the model, {glue:text}`first_photographs_excess` by
# excess, {glue:text}`first_photographs_judged` by the copy, and
# {glue:text}`first_photographs_copy` where the copy is explained. The same on
# {glue:text}`images_scenes` generated scenes:

# %% mystnb={"image": {"alt": "Mean target deletion drop of each method on generated scenes with its interval: by the model itself, less what chance earns, by the copy, and with the copy explained and judged."}, "figure": {"name": "fig-in-domain-scenes", "caption": "Mean target deletion drop of each method (rows) on generated scenes, a panel each by the model itself, less what chance earns, by its copy, and with the copy explained and judged: dots are means with {glue:text}`level` intervals."}} tags=["hide-input"]
page.means_chart(runs, "scenes")

# %% mystnb={"figure": {"name": "tab-in-domain-scenes", "caption": "Methods on generated scenes (rows) in the order of the model's own judgement: by each way of judging (columns) the place, and behind it the mean target deletion drop with its {glue:text}`level` interval."}} tags=["hide-input"]
page.order_table(runs, "scenes")

# %% [markdown]
# There pixel noise earns {glue:text}`noise_scenes_plain` from the model and
# {glue:text}`noise_scenes_judged` from the copy, {glue:text}`noise_loses_scenes` less; above it
# stand {glue:text}`above_noise_scenes_plain` and {glue:text}`above_noise_scenes_judged` of the maps
# that see the model.
#
# ## Do the orders agree
#
# Kendall's tau between the orders of the methods' means, 1 where they are the same and 0 where they
# have nothing to do with each other, with {glue:text}`level` intervals over images; on planted
# scenes whose evidence lies off the target the measure is |ODD|, where more is found by more. Of
# fewer than {glue:text}`fewest` images there is no interval, and their number stands instead. Kinds
# of images of which so few count that nothing is decided: {glue:text}`few`.

# %% mystnb={"figure": {"name": "tab-in-domain-agreement", "caption": "Kendall's tau between the orders of methods by every two ways of judging (rows), a column a kind of images, of all maps and of those that see the model, with {glue:text}`level` intervals over images."}} tags=["hide-input"]
page.agreement_table(runs)

# %% [markdown]
# ## Which judge orders maps as the truth does
#
# On planted scenes it is known which pixels tell the class. How well a map finds them is the chance
# that such a pixel ranks above another of its region; and of each image, the maps are ordered by
# that and by each judge. The mean over images of Kendall's tau between the two, and how far it lies
# above that of the model as its own judge:

# %% mystnb={"figure": {"name": "tab-in-domain-truth", "caption": "Mean over images of Kendall's tau between the planted truth and each way of judging (rows), and that less the model's own, on planted scenes with the evidence on the target and off it, with {glue:text}`level` intervals."}} tags=["hide-input"]
page.truth_table(runs)

# %% [markdown]
# With the evidence on the target the copy's tau less the model's own is
# {glue:text}`nearer_planted_own_judged`, and that of excess {glue:text}`nearer_planted_own_excess`;
# with the evidence off it, {glue:text}`nearer_planted_context_judged` and
# {glue:text}`nearer_planted_context_excess`. Where the copy itself is explained the maps are others,
# and so is what they find.
#
# ## What holds
#
# The claims of [the ledger](ledger.ipynb) that are of this page, decided by its rule where the copy
# judges the model's maps. Beside pixel noise nothing is decided where holes of single pixels are not
# in domain.

# %% mystnb={"figure": {"name": "tab-in-domain-claims", "caption": "Claims on the order of methods where the copy judges (rows) by kind of images: the verdict with the difference, its interval, the number n of images and the adjusted p."}} tags=["hide-input"]
page.claims_table(runs)

# %% [markdown]
# ## What these numbers stand on
#
# A record is what was computed once and lies in [the evidence](../evidence.md); the rest was
# computed with this page.

# %% mystnb={"figure": {"name": "tab-in-domain-basis", "caption": "Where the numbers of each run are from, by kind of images and by who is explained and who judges."}} tags=["hide-input"]
page.basis_table(runs)

# %% [markdown]
# :::{admonition} What to trust
# :class: important
# A copy that knows holes is another model, and its order of methods, by {term}`TDD` or by
# {term}`excess TDD`, is about that model. Where it
# agrees with the original's, the order is not owed to holes being strange; where it does not, neither
# is right by itself, and only planted evidence, whose place is known, can tell. A kind of deletion in
# brackets is out of domain for the copy, too: there it is no better judge.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Let the copy judge a few scenes, under methods of your choice:
#
#   ```sh
#   .venv/bin/segattr benchmark -o results/judged -p dataset=shapes -p samples=3 \
#       -p model=shapes_lraspp -p judge=shapes_lraspp_in_domain \
#       -p 'methods=[ria, dea, ega, random]' -p 'metrics=[tdd, excess_tdd]'
#   ```
# - Leave `judge` out, and compare the two `runs.csv`.
# - Compute samples again: `.venv/bin/segattr verify judged_scenes judged_planted_own --samples 3`.
# ::::
#
# **What we learnt.** On photographs the copy and the model order methods by a tau of
# {glue:text}`tau_photographs_plain_judged`, on generated scenes by
# {glue:text}`tau_scenes_plain_judged`. Pixel noise earns {glue:text}`noise_photographs_judged` from
# the copy in place of {glue:text}`noise_photographs_plain`. Out of domain stay
# {glue:text}`not_in_domain`. The planted truth on the target is met by the model with a tau of
# {glue:text}`truth_planted_own_plain`, by excess with {glue:text}`truth_planted_own_excess` and by
# the copy with {glue:text}`truth_planted_own_judged`.
