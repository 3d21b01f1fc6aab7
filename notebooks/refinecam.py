# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # RefineCAM: fine maps from deep meaning
#
# In this notebook, we test RefineCAM, the second proposal of {cite:t}`domeniconi2026cam`. Its premise: a CAM at a deep
# layer knows the object and is coarse, at a shallow layer it is fine and noisy. RefineCAM explains a shallow layer
# $\ell$ by the product of the maps at it and at every deeper one:
#
# $$N\Big(\prod_{k \geq \ell} N\big(U(\mathrm{CAM}_k)\big)\Big).$$
#
# 1. What does the product keep, on images chosen by rule?
# 2. Does it lift the CAM it refines, on which models, and by which part of the score?
# 3. Is the product better than a mean, and which layer should it start at?
# 4. How much of its coherency does it earn by keeping maps it should have recomputed?
# 5. Does it help where a *segmentation* is explained?

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/refinecam"  # a folder for each run is made in it; finished ones are read
dataset = "single_shapes"
root = None
split = None
backgrounds = None
samples = 16
few = 8  # the first of them, for fusions, starting layers and the shortcut
order = "shuffled"
image_size = 224
model = ["shapes_vgg11", "shapes_resnet18", "shapes_swin", "shapes_convnext"]
layers = None  # shallow to deep, of every model; None takes each model's own stages
scalar = "logit"
seed = 0
floor = None
device = None
precision = "float32"
batch_size = None
bases = ["gradcam_plus_plus", "layercam", "shapleycam"]  # any CAM RefineCAM takes
swept = "layercam"  # one of them: the base of the pictures, and of the choice of the starting layer
pictures = 4  # rows of the gallery
seg_dataset = "shapes"
seg_root = None
seg_split = None
seg_samples = 16
seg_model = "shapes_fcn"
seg_layers = None  # shallow to deep; None takes the model's blocks up to the layer explained
seg_floor = 0.3
k = 0.2
null_every = 1
level = 0.95  # of the intervals

# %% mystnb={"code_prompt_show": "Show the main run"} tags=["hide-input", "remove-output"]
import pandas as pd
from myst_nb import glue

from segattr_lib.attribution.fusion import FUSIONS
from segattr_lib.benchmark.runner import run_benchmark, view_of
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference import comparison as comparison_
from segattr_lib.inference import coverage as coverage_
from segattr_lib.inference import intervals as intervals_
from segattr_lib.inference import max_t
from segattr_lib.inference import paired as paired_
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS
from segattr_lib.inference.paired import settled
from segattr_lib.metrics import load_metric
from segattr_lib.models.loading import load_model
from segattr_lib.report import charts, tables
from segattr_lib.report.pictures import gallery
from segattr_lib.report.reference import reference, refinecam_table2
from segattr_lib.sections.beyond_dea import judge
from segattr_lib.sections.refinecam import refinement
from segattr_lib.sections.refinecam.refinement import DEEPEST, REFINED, SHALLOWEST, key_of

told = {name: globals()[name] for name in Settings.model_fields if name in globals()}
main = read_settings({**told, "methods": bases, "metrics": ["arcc", "road", "coherency", "complexity", "average_drop", "adcc", "cosine"]})  # fmt: skip
main_rows = refinement.by_start(main, {0: [*bases, *map(key_of, bases)], -1: bases}, f"{results}/main")

# %% tags=["hide-input"]
rows = settled(refinement.at_ends(main_rows))
measures = [metric for metric in main.metrics if rows.loc[rows["metric"] == metric, "value"].notna().any()]
arcc = paired_.paired(rows, "arcc")
ids = list(arcc.dropna().index.get_level_values("sample_id"))
composites = rows[(rows["metric"] == "arcc") & (rows["method"] == "refinecam")]
glue("dataset", main.dataset, display=False)
glue("n", len(ids), display=False)
glue("models", len(main.model), display=False)
glue("cams", len(bases), display=False)
glue("level", f"{level:.0%}", display=False)
glue("vanished", int((composites["status"] == "undefined").sum()), display=False)
glue("composites", len(composites), display=False)
truth = "the truth is known" if "cosine" in measures else "no truth is known, and columns that need it are left out"
glue("truth", truth, display=False)

# %% [markdown]
# The page is about {glue:text}`n` images of {glue:text}`dataset`, of which {glue:text}`truth`, under
# {glue:text}`models` classifiers with {glue:text}`cams` CAMs each. A CAM stands at the *shallowest* and the *deepest*
# of a model's stages; RefineCAM starts at the shallowest, as in the paper. Intervals are {glue:text}`level` studentised
# bootstrap intervals over images, a value being the mean over the models unless they are told apart.
#
# A map that vanished has no coherency, hence no ARCC. RefineCAM can make such maps, by multiplying what nowhere meets,
# and to leave them out would reward it: here their ARCC and ADCC count 0 (ours). Of RefineCAM's maps that is so for
# {glue:text}`vanished` of {glue:text}`composites`.
#
# ## One image taken apart
#
# The image whose gain by refinement is the median, under every model: the CAM at each stage, and their product.

# %% tags=["hide-input"]
gains = refinement.lift(rows, [swept], SHALLOWEST)
median = refinement.at_quantiles(gains.mean(axis=1), 3).index[1 if len(gains) > 2 else 0]
runs = {run.model[0]: run for run in main.runs()}
apart = {name: view_of(run, [median]) for name, run in runs.items()}
taken = {name: refinement.layer_maps(view, swept) for name, view in apart.items()}
stages = [*(f"stage {number}" for number in range(1, len(next(iter(taken.values())))))]
columns = {label: [list(maps.values())[place][0] for maps in taken.values()] for place, label in enumerate([*stages, "product"])}  # fmt: skip
glue("swept", charts.method_label(swept), display=False)
glue("median", median, display=False)

# %% mystnb={"image": {"alt": "One image under every model: the image with its object outlined, the CAM's map at each stage from shallow to deep, and the product of the maps."}} tags=["hide-input"]
gallery([view.images[0] for view in apart.values()], [view.target.truth[0] for view in apart.values()], columns, [name.rpartition(":")[2].replace("_", "\n", 1) for name in apart])  # fmt: skip

# %% [markdown]
# The CAM is {glue:text}`swept`, the image {glue:text}`median`.
#
# ## Shallow, deep, refined
#
# Rows are chosen by rule: the images at evenly spaced ranks of what refinement adds to the ARCC of {glue:text}`swept`
# at the shallowest stage of {glue:text}`shown_model`, from the most to the least. That number stands at the left.

# %% tags=["hide-input"]
shown_model = main.model[0]
chosen = refinement.at_quantiles(gains[shown_model], pictures)
view = view_of(runs[shown_model], list(chosen.index))
compared = list(dict.fromkeys([swept, *bases]))[:2]
drawn = {}
for base in compared:
    maps = list(refinement.layer_maps(view, base).values())
    label = charts.method_label(base)
    drawn |= {f"{label}\nshallowest": maps[0], f"{label}\ndeepest": maps[-2], f"{label}\nrefined": maps[-1]}
glue("shown_model", shown_model, display=False)

# %% mystnb={"image": {"alt": "Rows of images chosen by rule: the image with its object outlined, then for two CAMs the map at the shallowest stage, at the deepest, and refined."}} tags=["hide-input"]
gallery(view.images, view.target.truth, drawn, [f"{name}\n{round(gain, 2) + 0.0:+.2f}" for name, gain in chosen.items()])  # fmt: skip

# %% [markdown]
# ## Does it lift the CAM it refines?
#
# ### Table 1
#
# ARCC by model and CAM, the mean over the images. The values of the paper's own Table 1 are not in its text.

# %% tags=["hide-input"]
found = refinement.summary(rows, bases, measures)
cells = found[found["metric"] == "arcc"]
table1 = cells.pivot_table(index=["model", "base"], columns="place", values="mean", sort=False)[list(refinement.PLACES)]
words = {HOLDS: "yes", CONTRADICTED: "no", comparison_.UNDECIDED: "undecided"}
rivals = {"led": refinement.PLACES, "led_shallow": (SHALLOWEST, REFINED)}
leaders = {name: refinement.leaders(rows, bases, places, level, main.seed[0]) for name, places in rivals.items()}
for name, of_model in leaders.items():
    undecided = int((of_model["refined"] == comparison_.UNDECIDED).sum())
    glue(name, f"{int((of_model['refined'] == HOLDS).sum())} ({undecided} undecided)", display=False)
for name in ("strongest", "models"):
    glue(f"paper_{name}", reference()["refinecam_strongest"][name], display=False)
table1.map(tables.number).rename(index=charts.method_label, level="base").rename_axis(index=(None, None), columns=None)

# %% [markdown]
# A refined map is said to have the highest ARCC of a model where it lies above every one that is not refined, adjusted over
# all pairs (max-T). That is so on {glue:text}`led` of {glue:text}`models` models; with the shallowest
# stage as the only rival, as in the paper, on {glue:text}`led_shallow`. The paper says {glue:text}`paper_strongest` of
# {glue:text}`paper_models`.
#
# Which one that is, and the ARCC of the one that is highest on images other than those it is read from:

# %% tags=["hide-input"]
led = leaders["led"]
told_best = {"highest": [f"{charts.method_label(base)}, {place}" for base, place in led[["base", "place"]].to_numpy()], "chosen on other images": [tables.number(mean) for mean in led["mean"]], "n": list(led["n"]), "above every other": list(led["best"].map(words)), "a refined one above all that are not": list(led["refined"].map(words))}  # fmt: skip
pd.DataFrame(told_best, list(led.index))

# %% [markdown]
# What the score is made of, mean over images and models:

# %% tags=["hide-input"]
parts = found.pivot_table(index=["base", "place"], columns="metric", values="mean", sort=False)[measures]
parts = parts.reindex([(base, place) for base in bases for place in refinement.PLACES])
wholes = parts.groupby("place").mean()
for metric in ("road", "coherency", "complexity"):
    for name, place in {"shallowest": SHALLOWEST, "deepest": DEEPEST, "refined": REFINED}.items():
        glue(f"{metric}_{name}", f"{wholes.loc[place, metric]:.2f}", display=False)
parts.map(tables.number).rename(index=charts.method_label, level="base").rename(columns=charts.metric_label).rename_axis(index=(None, None), columns=None)  # fmt: skip

# %% [markdown]
# From shallowest to refined, over all CAMs, ROAD goes from {glue:text}`road_shallowest` to {glue:text}`road_refined`
# (deepest {glue:text}`road_deepest`), Coherency from {glue:text}`coherency_shallowest` to
# {glue:text}`coherency_refined` ({glue:text}`coherency_deepest`) and Complexity from {glue:text}`complexity_shallowest`
# to {glue:text}`complexity_refined` ({glue:text}`complexity_deepest`). Complexity is read off the map alone; ROAD is the
# part that asks the model what its pixels are worth.
#
# ### Paired by image
#
# RefineCAM minus its base on the same images, at either end of the model; p values are of flipping signs, adjusted
# over the rows (Holm).

# %% tags=["hide-input"]
pairs = [(key_of(base), key_of(base, place)) for place in (SHALLOWEST, DEEPEST) for base in bases]
lifts = comparison_.compare(arcc, pairs, "arcc", level, main.seed[0])
of_models = pd.concat([judge.means(refinement.lift(rows, bases, place), level, main.seed[0]).assign(over=f"− {place}") for place in (SHALLOWEST, DEEPEST)]).rename(columns={"method": "model"})  # fmt: skip
for place in (SHALLOWEST, DEEPEST):
    here = of_models[of_models["over"] == f"− {place}"]
    glue(f"up_{place}", int((here["mean"] > 0).sum()), display=False)
    glue(f"above_{place}", tables.off_zero(here, "above"), display=False)
    glue(f"below_{place}", tables.off_zero(here, "below"), display=False)
over_shallow = of_models[of_models["over"] == f"− {SHALLOWEST}"]
most, least = (over_shallow["low"] > 0).mean() > 0.5, (over_shallow["high"] < 0).mean() >= 0.5
glue("lifts", "held" if most else "did not hold" if least else "could not be told", display=False)

# %% mystnb={"image": {"alt": "Forest plot of paired differences in ARCC, RefineCAM minus its base at the shallowest and at the deepest stage, with intervals."}} tags=["hide-input"]
charts.interval_plot(lifts)

# %% [markdown]
# How often does each kind of interval hold the true mean of differences that are shaped as this page's own: drawn with
# replacement from those of two methods less their mean? The page uses the studentised bootstrap, which held it in
# {glue:text}`coverage` of the repeats, and no interval below {glue:text}`fewest` images.

# %% tags=["hide-input"]
covered = coverage_.simulated_coverage(coverage_.standardised([arcc]), seed=main.seed[0], level=level)
reached = covered[covered["interval"] == "studentised bootstrap"]["reached"]
glue("coverage", f"{reached.iloc[0]:.1%}" if len(reached) else "–", display=False)
glue("fewest", intervals_.FEWEST, display=False)
tables.coverage(covered)

# %% [markdown]
# By model, mean over the CAMs:

# %% tags=["hide-input"]
tables.intervals(of_models, "model", "over")

# %% [markdown]
# Over the shallowest stage, RefineCAM's ARCC is higher on {glue:text}`up_shallowest` of {glue:text}`models` models; the
# interval lies above 0 on {glue:text}`above_shallowest` and below on {glue:text}`below_shallowest`. Over the deepest it is
# higher on {glue:text}`up_deepest`, with {glue:text}`above_deepest` above and
# {glue:text}`below_deepest` below.
#
# ## Product or mean?
#
# ARCC of the paper's three fusions (Table 2), mean ± standard deviation over images and models on the first
# {glue:text}`few` images, and the paper's own on ImageNet beside it.

# %% tags=["hide-input", "remove-output"]
means = [fuse for fuse in FUSIONS if fuse != "product"]
less = read_settings({**main.model_dump(), "samples": few})
fused_rows = refinement.by_start(less, {0: [key_of(base, fuse=fuse) for base in bases for fuse in means]}, f"{results}/fusions")  # fmt: skip
first_ids = set(fused_rows["sample_id"])
first_rows = main_rows[main_rows["sample_id"].isin(first_ids)]
few_rows = settled(refinement.at_ends(pd.concat([first_rows, fused_rows], ignore_index=True)))

# %% tags=["hide-input"]
ours, paper = refinement.over_fusions(few_rows, bases), refinecam_table2()
both = pd.concat([ours.assign(whose="ours"), paper[paper["base"].isin(bases)].assign(whose="paper")])
both["text"] = [f"{mean:.2f} ± {std:.2f}" for mean, std in both[["mean", "std"]].to_numpy(float)]
table2 = both.assign(fuse=both["fuse"].str.replace("_", " ")).pivot_table(index="base", columns=["fuse", "whose"], values="text", aggfunc="first", sort=False)  # fmt: skip
best = {whose: values.pivot_table(index="base", columns="fuse", values="mean").idxmax(axis=1) for whose, values in {"ours": ours, "paper": paper}.items()}  # fmt: skip
glue("few", len(first_ids), display=False)
glue("product_best", int((best["ours"] == "product").sum()), display=False)
glue("paper_best", int((best["paper"] == "product").sum()), display=False)
glue("paper_cams", len(best["paper"]), display=False)
fusion_pairs = [(key_of(base), key_of(base, fuse=fuse)) for fuse in means for base in bases]
beaten = comparison_.compare(paired_.paired(few_rows, "arcc"), fusion_pairs, "arcc", level, main.seed[0])
glue("fusion_pairs", len(beaten), display=False)
glue("fusion_above", tables.off_zero(beaten, "above"), display=False)
glue("fusion_below", tables.off_zero(beaten, "below"), display=False)
road = paired_.paired(few_rows, "road", by_model=True)
apart_road = max((road[key_of(base)] - road[key_of(base, fuse="geometric_mean")]).abs().max() for base in bases)
glue("apart_road", f"{apart_road:.4f}", display=False)
fused_arcc = paired_.paired(few_rows, "arcc")
highest = [max_t.all_pairs(fused_arcc[[key_of(base, fuse=fuse) for fuse in FUSIONS]], seed=main.seed[0]).verdict(key_of(base), level=level) for base in bases]  # fmt: skip
glue("multiplies", "held" if set(highest) == {HOLDS} else "did not hold" if CONTRADICTED in highest else "could not be told", display=False)  # fmt: skip
table2 = table2.reindex(columns=[(fuse.replace("_", " "), whose) for fuse in [*means, "product"] for whose in ("ours", "paper")])  # fmt: skip
table2.fillna("–").rename(index=charts.method_label).rename_axis(index=None, columns=(None, None))

# %% mystnb={"image": {"alt": "Forest plot of paired differences in ARCC, the product minus each of the two means, for every CAM, with intervals."}} tags=["hide-input"]
names = {"method": [f"{base}(fuse=product)" for _ in means for base in bases], "over": [f"{base}(fuse={fuse})" for fuse in means for base in bases]}  # fmt: skip
charts.interval_plot(beaten.assign(**names))

# %% [markdown]
# The product has the highest mean for {glue:text}`product_best` of {glue:text}`cams` CAMs; in the paper's own table for
# {glue:text}`paper_best` of {glue:text}`paper_cams`, though its text says that it wins throughout. Paired by image, the
# interval of product minus mean lies above 0 in {glue:text}`fusion_above` of {glue:text}`fusion_pairs` pairs and below
# in {glue:text}`fusion_below`. Product and geometric mean order the pixels alike, so their ROAD is one (here they differ by at most
# {glue:text}`apart_road`): whatever tells the two apart is Complexity and Coherency, which read the values.
#
# ## Which layer to start at
#
# Along the starting layer $\ell$: the CAM at that layer alone, and RefineCAM of it and all deeper ones; from the
# deepest the two are one map.

# %% tags=["hide-input", "remove-output"]
middle = range(1, min(len(refinement.stages_of(main, name)) for name in main.model) - 1)
start_rows = refinement.by_start(less, {place: [swept, key_of(swept)] for place in middle}, f"{results}/starts") if middle else pd.DataFrame()  # fmt: skip

# %% tags=["hide-input"]
every_start = settled(pd.concat([first_rows, start_rows], ignore_index=True))
curve_of = [metric for metric in ("arcc", "road", "cosine") if metric in measures]
curve = refinement.over_starts(every_start, swept, curve_of, level, main.seed[0])
starts = refinement.best_starts(every_start, swept, curve_of, level, main.seed[0])
last = curve_of[-1]
glue("by", load_metric(last).label, display=False)
for suffix, metric in (("", "arcc"), ("_by", last)):
    for name, line in (("best_start", key_of(swept)), ("best_alone", swept)):
        start, verdict = starts.loc[(metric, line), ["start", "best"]]
        apart_from = "" if verdict == HOLDS else " (not told apart from every other)"
        glue(name + suffix, f"{start}{apart_from}", display=False)
curve["panel"] = curve["panel"].map(charts.metric_label)

# %% mystnb={"image": {"alt": "Curves over the starting layer from shallow to deep of the CAM alone and of RefineCAM, a panel a metric, with interval bands."}} tags=["hide-input"]
charts.interval_lines(curve.assign(line=curve["line"].map(charts.key_label)), refinement.START)

# %% [markdown]
# By ARCC, RefineCAM of {glue:text}`swept` does best from stage {glue:text}`best_start` and the CAM alone at stage
# {glue:text}`best_alone`; by {glue:text}`by`, from {glue:text}`best_start_by` and at {glue:text}`best_alone_by`.
#
# ## The coherency shortcut
#
# Coherency explains the image again after it was faded by its own map. RefineCAM's second map has to be made anew at
# *every* layer. To recompute the shallowest alone and multiply it with the deep maps of the first time is cheaper, but
# the kept maps are compared with themselves. How much does that add?

# %% tags=["hide-input"]
views = {name: view_of(run, sorted(first_ids & set(ids))) for name, run in runs.items()}
short = refinement.shortcuts(views, rows, bases)
short_means = short.groupby("base", sort=False).mean().map(tables.number)
gained = short.eval("arcc_kept - arcc").rename("gained").reset_index().pivot_table(index="sample_id", columns="base", values="gained", sort=False)  # fmt: skip
flattered = judge.means(gained, level, main.seed[0]).set_index("method")
everything = judge.means(gained.mean(axis=1).to_frame("all"), level, main.seed[0]).iloc[0]
glue("flattered", tables.interval(*everything[["mean", "low", "high"]], n=everything["n"]), display=False)
glue("flattered_coherency", f"{(short['coherency_kept'] - short['coherency']).mean():+.3f}", display=False)
short_means["ARCC, kept − whole"] = [tables.interval(*flattered.loc[base, ["mean", "low", "high"]], n=flattered.loc[base, "n"]) for base in short_means.index]  # fmt: skip
short_means.rename(index=charts.method_label, columns={"coherency": "Coherency, whole", "coherency_kept": "deep maps kept", "arcc": "ARCC, whole", "arcc_kept": "ARCC, kept"}).rename_axis(index=None, columns=None)  # fmt: skip

# %% [markdown]
# The shortcut changes Coherency by {glue:text}`flattered_coherency` and ARCC by {glue:text}`flattered` on the mean. Everything
# else on this page recomputes every layer.
#
# ## RefineCAM of a segmentation
#
# GPA and EGA are Grad-CAM and HiResCAM of a segmenter's region, and can be refined as well (ours). The judge is the
# [benchmark's](benchmark.ipynb): target and off-target deletion, and excess TDD, less what a blind selection as
# ragged earns. {glue:text}`seg_n` images of {glue:text}`seg_dataset` under {glue:text}`seg_model`.

# %% tags=["hide-input", "remove-output"]
deepest = None if seg_layers is None else seg_layers[-1]
segmenter = load_model(seg_model, deepest, seg_layers, (image_size, image_size), "segmenter")
shallow = segmenter.layers[0]
seg_methods = [f"gpa(layer={shallow})", "gpa", "refine_gpa", f"ega(layer={shallow})", "ega", "refine_ega", "random"]
seg_told = {"dataset": seg_dataset, "root": seg_root, "split": seg_split, "samples": seg_samples, "model": seg_model, "layer": segmenter.layer, "layers": list(segmenter.layers), "methods": seg_methods, "metrics": ["tdd", "odd_abs", "excess_tdd"], "floor": seg_floor}  # fmt: skip
kept = {name: told[name] for name in ("order", "image_size", "seed", "device", "precision", "batch_size", "k", "null_every")}  # fmt: skip
seg_rows = read_samples(run_benchmark(read_settings({**kept, **seg_told}), f"{results}/segmentation"))

# %% tags=["hide-input"]
seg = {metric: paired_.paired(seg_rows, metric).droplevel("dataset") for metric in ("tdd", "odd_abs", "excess_tdd")}
seg_pairs = [("refine_gpa", "gpa"), ("refine_ega", "ega"), ("refine_gpa", seg_methods[0]), ("refine_ega", seg_methods[3])]  # fmt: skip
seg_found = {
    metric: comparison_.compare(table, seg_pairs, metric, level, main.seed[0]) for metric, table in seg.items()
}
glue("seg_n", len(seg["tdd"].dropna()), display=False)
glue("seg_dataset", seg_dataset, display=False)
glue("seg_model", seg_model, display=False)
glue("shallow", shallow, display=False)
glue("seg_layer", segmenter.layer, display=False)
for metric, table in seg_found.items():
    glue(f"seg_above_{metric}", tables.off_zero(table, "above"), display=False)
    glue(f"seg_below_{metric}", tables.off_zero(table, "below"), display=False)
glue("seg_pairs", len(seg_pairs), display=False)
tables.intervals(pd.concat([judge.means(table, level, main.seed[0]).assign(metric=metric) for metric, table in seg.items()]), "method", "metric")  # fmt: skip

# %% mystnb={"image": {"alt": "Forest plot of paired differences in excess TDD, RefineCAM of GPA and EGA minus GPA and EGA at the deepest and at the shallowest layer, with intervals."}} tags=["hide-input"]
charts.interval_plot(seg_found["excess_tdd"])

# %% [markdown]
# GPA and EGA stand at {glue:text}`seg_layer` unless {glue:text}`shallow`, the shallowest, is named. Of
# {glue:text}`seg_pairs` pairs the interval of RefineCAM minus its base lies above 0 in {glue:text}`seg_above_tdd` in TDD
# (below in {glue:text}`seg_below_tdd`), in {glue:text}`seg_above_excess_tdd` in excess TDD
# ({glue:text}`seg_below_excess_tdd`) and in {glue:text}`seg_above_odd_abs` in |ODD| ({glue:text}`seg_below_odd_abs`), where
# less is better.
#
# ## What was reproduced, and what was not
#
# - *RefineCAM lifts ARCC on most models*: over its base at the shallowest stage this {glue:text}`lifts` here, with an
#   interval above 0 on {glue:text}`above_shallowest` of {glue:text}`models` models and a higher mean on
#   {glue:text}`up_shallowest`. The paper has no comparison with the deepest stage; ours has an interval above 0 on
#   {glue:text}`above_deepest` and below on {glue:text}`below_deepest`.
# - *Multiplication beats the two means*: this {glue:text}`multiplies` here, with an interval above 0 in
#   {glue:text}`fusion_above` of {glue:text}`fusion_pairs` pairs and below in {glue:text}`fusion_below`; by the mean it is
#   the highest for {glue:text}`product_best` of {glue:text}`cams` CAMs.
#
# The paper explains ImageNet; the values of its Table 1 are not in its text, so that only Table 2 stands beside ours. Data and
# models are those of this profile (see the [status page](../status.md)). Ours are the deepest stage as a rival, the
# intervals, the count of maps that vanish as 0, the shortcut's price, and RefineCAM of a segmentation.
#
# **What we learnt.** On these {glue:text}`n` images RefineCAM's ARCC has an interval above its base's on
# {glue:text}`above_shallowest` of {glue:text}`models` models at the shallowest stage and on {glue:text}`above_deepest` at
# the deepest. On the mean ROAD, the part that asks the model, is {glue:text}`road_refined` refined,
# {glue:text}`road_shallowest` shallowest and {glue:text}`road_deepest` deepest. Keeping the deep maps changes ARCC by
# {glue:text}`flattered`. Of a segmentation, {glue:text}`seg_above_excess_tdd` of {glue:text}`seg_pairs` pairs have an
# interval above 0 in excess TDD and {glue:text}`seg_below_excess_tdd` one below.
