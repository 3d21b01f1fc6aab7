# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which attribution should I use?
#
# In this notebook, we answer by what a reader needs: a map that is faithful, cheap or stable, that
# stays on its target, takes no gradient, or fits a budget of passes. The answers are computed from
# the recorded runs of [the claims ledger](ledger.ipynb), photographs first, generated scenes
# beside, never pooled.
#
# :::{admonition} In short
# The most faithful on photographs: {glue:text}`photo_faithful_methods` (generated scenes:
# {glue:text}`scene_faithful_methods`). The cheapest map that earns more than every control which
# knows nothing of the model: {glue:text}`photo_cheapest` (generated scenes:
# {glue:text}`scene_cheapest`); not above every control on photographs:
# {glue:text}`photo_unknown`. The most stable: {glue:text}`photo_stable_methods` (generated scenes:
# {glue:text}`scene_stable_methods`); the least off the target:
# {glue:text}`photo_on_target_methods` (generated scenes: {glue:text}`scene_on_target_methods`).
# Under all of {glue:text}`photo_settings` other settings on photographs, one of the answer's
# methods stays first for {glue:text}`photo_hold` needs; not so for: {glue:text}`photo_hang`.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
evidence = "book/evidence"  # the folder of the records

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import which as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(runs))

# %% [markdown]
# ## The answers
#
# An answer is every method that no other lies above; the best value stands first, in the order of
# the names. {glue:text}`mark` marks a method that earns more than every control. *Behind* is how
# much better the first one is than the next that another lies above.

# %% mystnb={"figure": {"name": "tab-which-answers", "caption": "What to use for which need, on photographs and on generated scenes: every method that no other lies above, the best value first, and how far the next lies behind that another lies above."}} tags=["hide-input"]
page.answers_table(runs)

# %% [markdown]
# **What makes an answer.** All methods are compared in pairs, image by image, on the images that
# the model scores at least {glue:text}`well` and of which every one of them has a value that no
# constant decides; models that see one image are averaged first. One lies above another if p,
# adjusted over all pairs of this need, is below {glue:text}`significant`: by the largest of all
# differences (max-T) for means, by the sign test under Holm for LeakAbs, a ratio of ratios of which
# only the median can be trusted.
# Several methods are an answer if the images do not tell them apart, which does not say that they
# are equal; and pairs decide, not the order of values: one that is not an answer may have a better
# value than one that is. Intervals, of {glue:text}`level`, are of one value or difference alone, so
# that an undecided difference may have one off 0. Fewer than {glue:text}`fewest` images answer
# nothing. Scored so well by a model: {glue:text}`photo_scored` photographs (generated scenes:
# {glue:text}`scene_scored`).
#
# All values, the answers in bold:

# %% mystnb={"figure": {"name": "tab-which-values", "caption": "The value of every method for every need with its {glue:text}`level` interval, the answers in bold."}} tags=["hide-input"]
page.values_table(runs)

# %% [markdown]
# ## Faithful
#
# What does it cost the model when the map's top {glue:text}`k` of the target is deleted ({term}`TDD`, fill
# {glue:text}`fill`)? {term}`Excess TDD <excess TDD>` is what a map takes beyond blind selections as ragged
# ([the benchmark](benchmark.ipynb)); TDD itself leaves in what the shape takes.
#
# By excess TDD, on photographs: {glue:text}`photo_faithful_says`. On generated scenes:
# {glue:text}`scene_faithful_says`.
#
# By TDD itself, on photographs: {glue:text}`photo_drop_says`. On generated scenes:
# {glue:text}`scene_drop_says`.
#
# What knows nothing of the model may still earn something: at most, on photographs,
# {glue:text}`photo_control`. More than each of the controls earn {glue:text}`photo_known`; not
# shown to: {glue:text}`photo_unknown`. On generated scenes more: {glue:text}`scene_known`; not
# shown to: {glue:text}`scene_unknown`.
#
# ## Cheap, and within a budget
#
# A pass is one image through the model; a backward pass counts as two. The fewest passes:
# {glue:text}`photo_fewest`. The cheapest map that earns more than every control is, on
# photographs, {glue:text}`photo_cheapest`; on generated scenes, {glue:text}`scene_cheapest`.
#
# A method is worth its passes if it lies above every one that takes fewer, and none that takes as
# many lies above it: such are the stairs of
# {numref}`fig-which-frontier`, and what a budget buys. On photographs:
# {glue:text}`photo_budgets`. On generated scenes: {glue:text}`scene_budgets`. Under one model and
# more budgets: {glue:text}`more_budgets`.

# %% mystnb={"image": {"alt": "Mean excess TDD with its interval over the passes that a map takes, on a logarithmic axis, a point a method, stairs along the methods that are worth their passes, a band for the best control."}, "figure": {"name": "fig-which-frontier", "caption": "Mean excess TDD of every method with its {glue:text}`level` interval, over the passes that a map takes; stairs join the methods that are worth their passes, the band is the best control."}} tags=["hide-input"]
page.frontier_plot(runs)

# %% mystnb={"figure": {"name": "tab-which-passes", "caption": "What a budget of passes buys, a row a method and kind of images, by rising passes: the excess TDD that a map earns with its {glue:text}`level` interval, the number n of images, whether it earns more than every control, and whether the method is worth its passes."}} tags=["hide-input"]
page.passes_table(runs)

# %% [markdown]
# Excess TDD over passes, on photographs: {glue:text}`photo_per_pass_says`. On generated scenes:
# {glue:text}`scene_per_pass_says`. Such a share is large wherever passes are few, earned by the
# model or not: look for the mark beside the name.
#
# ## Stable
#
# Stability is how alike maps of one image stay under slight noise, brightness, contrast, blur and a
# flip. On photographs: {glue:text}`photo_stable_says`. On generated scenes:
# {glue:text}`scene_stable_says`.
#
# Does it take knowledge of the model? Controls that the first is not more stable than:
# {glue:text}`photo_stable_equals` (generated scenes: {glue:text}`scene_stable_equals`).
#
# ## On its target
#
# How much does deleting the map's top outside of the target move the score (|ODD|)? On photographs
# least: {glue:text}`photo_on_target_says`. On generated scenes: {glue:text}`scene_on_target_says`.
# Controls that the first is not better than: {glue:text}`photo_on_target_equals` (generated scenes:
# {glue:text}`scene_on_target_equals`).
#
# A map that finds nothing anywhere does well by that. LeakAbs divides |ODD| by TDD. On photographs
# least: {glue:text}`photo_leaks_says`. On generated scenes: {glue:text}`scene_leaks_says`. Controls
# that the first is not better than: {glue:text}`photo_leaks_equals` (generated scenes:
# {glue:text}`scene_leaks_equals`).
#
# ## Without gradients
#
# Where a model gives its scores alone, through an interface or as an exported graph, what remains
# are interventions. By excess TDD, on photographs: {glue:text}`photo_forward_says`. On generated
# scenes: {glue:text}`scene_forward_says`.
#
# ## What would change the answer
#
# Other settings. The multiverse of records asks the same under other k, other fills, another size
# of images, and with the target as the model sees it. Under how many of them has the answer's first
# method the best value again (*the same first*), and under how many has one of the answer's
# methods? That the first is *unbeaten*, no other lying above it, is the weaker demand. *Decides
# from* is the smallest difference between the first and the next that so many images decide with a
# power of {glue:text}`power`. Models alone are in the order of the record.

# %% mystnb={"figure": {"name": "tab-which-settings", "caption": "How the answers fare under other settings: under how many the same method is first, one of the answer's methods is, and the first is unbeaten; and the smallest difference that the images decide with a power of {glue:text}`power`."}} tags=["hide-input"]
page.settings_table(runs)

# %% [markdown]
# Of methods that are tied either may be first: on photographs the first of the most faithful is so
# again in {glue:text}`photo_faithful_same` settings, one of the answer's methods in
# {glue:text}`photo_faithful_among`. For the least off the target it is
# {glue:text}`photo_on_target_same` and {glue:text}`photo_on_target_among`, for LeakAbs
# {glue:text}`photo_leaks_same` and {glue:text}`photo_leaks_among`.
#
# Interventions were made with the fill {glue:text}`fill`, which also judges them above. Judged by
# another one, a most faithful method on photographs is first again in
# {glue:text}`photo_other_fill` settings (generated scenes: {glue:text}`scene_other_fill`).
#
# On which choice does an answer hang? The share of settings under which one of its methods is
# first, by what they set:

# %% mystnb={"figure": {"name": "tab-which-axes", "caption": "On which choice an answer hangs: the share of settings under which one of its methods is first, by the value of each setting."}} tags=["hide-input"]
page.axes_table(runs)

# %% [markdown]
# Needs that photographs and generated scenes answer with no method in common:
# {glue:text}`disagree`. The smallest difference to the next that the images at hand decide, for the
# most faithful on photographs: {glue:text}`photo_faithful_decides`; a smaller one takes more.
#
# :::{admonition} What to trust
# :class: important
# That other methods lie below an answer; not the order within it, which the images leave open. A
# method without {glue:text}`mark` has not been shown to know more than a {term}`control`, whatever
# its value. An answer is of the {term}`records <record>` named, and where the last section says that
# it hangs on a setting, it is yours only under that setting. Photographs and generated scenes are two
# questions.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Ask the answer of a picture of your own, and whether it leaves {term}`blind selections
#   <blind selection>` behind there:
#
#   ```sh
#   .venv/bin/segattr explain photo.jpg -o explained \
#       --methods ria adaptive_ria dea ega gpa
#   ```
# - Or with your own hands, in [Judge a map yourself](../judge.md).
# - Compute samples of the records behind the answers again:
#   `.venv/bin/segattr verify scenes beyond_budget --samples 3`.
# ::::
#
# **What we learnt.** For faithful maps the records name, on photographs,
# {glue:text}`photo_faithful_methods`; the cheapest that earns more than every control is
# {glue:text}`photo_cheapest`. Among the answers to every need stands:
# {glue:text}`photo_everywhere`. The most stable is {glue:text}`photo_stable_methods`, the least off
# the target {glue:text}`photo_on_target_methods`. Not shown to earn more than every control:
# {glue:text}`photo_unknown`. What hangs on the settings, on photographs: {glue:text}`photo_hang`.
