# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which metric knows a good map?
#
# In this notebook, we hold the metrics of classifiers' attribution maps against a truth. {cite:t}`domeniconi2026cam`
# draw scenes with a single shape in which nothing but the shape tells the class, so that a map of a model that
# classifies them well should lie on the shape. On them they find that Average Drop (AD) and ADCC can be fooled, and
# that a new composite, ARCC, follows the truth best. We ask:
#
# 1. Which metrics do maps fool that know nothing of the model?
# 2. How do the methods fare on several models?
# 3. Which metric follows the truth, and in which of three ways is that meant?
# 4. And which follows another truth, what a model loses when a part of the thing is taken away?
# 5. What does a metric see of a map's values, beyond their order?
# 6. Is there a better composite than ARCC?
#
# | metric | what it asks |
# |---|---|
# | AD | how much of the class's probability is lost when the image is faded by its map |
# | Complexity | how much of the image the map shows: its mean |
# | Coherency | does the faded image get the same map? $(1 + \rho) / 2$ |
# | ADCC | harmonic mean of Coherency, $1 - $ Complexity, $1 - $ AD |
# | ROAD | is more lost when the most relevant pixels go than when the least relevant ones do? |
# | ARCC | harmonic mean of Coherency, $1 - $ Complexity, $\max(0, $ ROAD$)$ |
# | cosine | likeness of the map and the shape: the truth |

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/arcc_shapes"  # a folder of finished results is read, any other is made
dataset = "single_shapes"
root = None
split = None
backgrounds = None  # a folder of pictures to lie behind the shapes
samples = 16
order = "shuffled"
image_size = 224
model = ["shapes_vgg11", "shapes_resnet18", "shapes_swin", "shapes_convnext"]
layer = None  # of every model; None takes each one's shallowest stage
layers = None
scalar = "logit"
methods = ["gradcam_plus_plus", "layercam", "scorecam", "shapleycam", "guided_gradcam", "lime", "kernel_shap", "deeplift", "input_x_gradient", "integrated_gradients"]  # fmt: skip
trivial = ["random", "half", "all_ones", "centre", "edges", "ground_truth"]
surrogate_samples = 200  # images that LIME and KernelSHAP look at
steps = 50  # of Integrated Gradients
seed = 0
device = None
precision = "float32"
batch_size = None
bent = "layercam"  # the method whose maps are transformed
few = 6  # images of the transforms
parts_dataset = "part_figures"  # whose parts can be taken away, or "funnybirds"; None leaves that section empty
parts_root = None
parts_samples = 16
parts_image_size = 224
parts_model = "figures_resnet"
resamples = 1999  # of the correlations' intervals
level = 0.95  # of the intervals

# %% mystnb={"code_prompt_show": "Show the run"} tags=["hide-input", "remove-output"]
import pandas as pd
from IPython.display import HTML, display
from myst_nb import glue

from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference import comparison as comparison_
from segattr_lib.inference import coverage as coverage_
from segattr_lib.inference import intervals as intervals_
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS
from segattr_lib.inference.intervals import means
from segattr_lib.inference.paired import settled
from segattr_lib.metrics import load_metric
from segattr_lib.report import charts, labels, tables
from segattr_lib.report.pictures import gallery
from segattr_lib.sections.arcc_parts.parts import KEYS, part_scores, part_summary
from segattr_lib.sections.arcc_shapes import validity

dear = {
    "lime": f"lime(samples={surrogate_samples})",
    "kernel_shap": f"kernel_shap(samples={surrogate_samples})",
    "integrated_gradients": f"integrated_gradients(steps={steps})",
}
real = [dear.get(name, name) for name in methods]
measures = [*validity.PAPER, "cosine"]
told = {name: globals()[name] for name in Settings.model_fields if name in globals()}
settings = read_settings({**told, "methods": [*real, *trivial], "metrics": measures})
rows = settled(read_samples(run_benchmark(settings, results)))

# %% tags=["hide-input"]
everything = validity.maps_table(rows, measures)
known = validity.truth_known(everything)
maps = everything[everything.index.get_level_values("method").isin(real)]
blind = [name for name in trivial if name != "ground_truth"]
fakes = trivial if known else blind
scores = rows[rows["metric"] == "score"]["value"]
images = list(dict.fromkeys(rows[rows["metric"] == "score"]["sample_id"].astype(str)))
names = {name: name.removeprefix("shapes_").removeprefix("finetuned_") for name in settings.model}
labels = {metric: labels.metric_label(metric) for metric in measures}
titles = {metric: load_metric(metric).label for metric in measures}
signed = {**titles, "average_drop": "− AD", "complexity": "− Complexity"}
truth = "The truth is known here." if known else "No truth is known of these images: this section is left empty."
glue("dataset", settings.dataset, display=False)
glue("images", len(images), display=False)
glue("models", len(settings.model), display=False)
glue("methods", len(real), display=False)
glue("maps", len(maps), display=False)
glue("undefined", int(maps["coherency"].isna().sum()), display=False)
sure = 0.5
glue("sure", sure, display=False)
glue("unsure", int((scores < sure).sum()), display=False)
glue("scored", len(scores), display=False)
glue("lost", int(rows[rows["metric"].isna()]["sample_id"].nunique()), display=False)
glue("level", f"{level:.0%}", display=False)
glue("truth", truth, display=False)

# %% [markdown]
# What follows is about {glue:text}`images` images of {glue:text}`dataset` under {glue:text}`models` models and
# {glue:text}`methods` methods, CAMs at each model's shallowest stage as in the paper: {glue:text}`maps` maps.
# {glue:text}`undefined` of them are constant, or get a constant map of the faded image; they have no Coherency, and their
# ADCC and ARCC count 0 (ours). {glue:text}`lost` images could not be scored; in {glue:text}`unsure` of {glue:text}`scored` cases the
# model gives the image's own class less than {glue:text}`sure`. Intervals are {glue:text}`level` bootstrap
# intervals over images, studentised for means and BCa for correlations.
#
# ## Maps that know nothing
#
# *Random* pixels; *half*, one half everywhere but for two pixels; *all ones*, 1 everywhere but for one: the paper's trivial
# maps. Ours beyond them: a Gaussian at the *centre*, the image's *edges*, and, where it is known, the *ground truth* as
# an upper control. Dots are means over images and models.

# %% tags=["hide-input"]
shown = [*real, *fakes]
averages = {metric: means(validity.by_image(everything, metric)[shown], level, settings.seed[0]).assign(panel=labels[metric]) for metric in measures}  # fmt: skip

# %% mystnb={"image": {"alt": "Dot plots of mean Average Drop and mean ADCC of the methods and the trivial maps, with intervals, the trivial maps in grey."}} tags=["hide-input"]
charts.interval_dots(pd.concat([averages["adcc"], averages["average_drop"]]))

# %% mystnb={"image": {"alt": "Dot plots of mean ARCC and mean ROAD of the methods and the trivial maps, with intervals, the trivial maps in grey."}} tags=["hide-input"]
charts.interval_dots(pd.concat([averages["arcc"], averages["road"]]))

# %% [markdown]
# Each trivial map minus the mean of the methods on the same images, signed so that above 0 the trivial map looks
# better. It *fools* a metric (marked ✗) when the interval says that it is not worse by {glue:text}`margin` or more, in the
# metric's own unit; it does not when the interval lies below 0; else, as wherever there is no interval, it is undecided
# (marked ?).

# %% tags=["hide-input"]
judged = ["average_drop", "adcc", "road", "arcc"]
tricked = validity.fooled(everything, fakes, real, judged, level, settings.seed[0])
verdict = tricked.set_index(["method", "metric"])["verdict"]
of_blind = tricked[tricked["method"].isin(blind)]
lies = of_blind.pivot_table(index="metric", columns="verdict", values="method", aggfunc="count", fill_value=0)
lies = lies.reindex(columns=[validity.FOOLS, validity.DOES_NOT_FOOL, validity.UNDECIDED], fill_value=0)
said = {validity.FOOLS: "fools", validity.DOES_NOT_FOOL: "does not fool", validity.UNDECIDED: "may or may not fool"}
for metric in judged:
    glue(f"half_{metric}", f"{said[verdict.get(('half', metric), validity.UNDECIDED)]} {titles[metric]}", display=False)
    fool, fail, unclear = lies.loc[metric]
    glue(f"lies_{metric}", f"{fool} ({fail} do not, {unclear} undecided)", display=False)
glue("blind", len(blind), display=False)
glue("margin", validity.MARGIN, display=False)
told_apart = tables.intervals(tricked, "method", "metric", "difference", 2)
marks = tricked["verdict"].map({validity.FOOLS: " ✗", validity.DOES_NOT_FOOL: "", validity.UNDECIDED: " ?"})
told_apart + tricked.assign(mark=marks.where(tricked["method"].isin(blind), "")).pivot_table(index="method", columns="metric", values="mark", aggfunc="first", sort=False).to_numpy()  # fmt: skip

# %% [markdown]
# The half map {glue:text}`half_average_drop`, {glue:text}`half_adcc`, {glue:text}`half_road` and {glue:text}`half_arcc`. Of
# the {glue:text}`blind` maps that know nothing, {glue:text}`lies_average_drop` fool AD, {glue:text}`lies_adcc` ADCC,
# {glue:text}`lies_road` ROAD and {glue:text}`lies_arcc` ARCC.
#
# How often does each kind of interval hold the true mean of differences that are shaped as this page's own: drawn with
# replacement from those of two methods less their mean? The page uses the studentised bootstrap, which held it in
# {glue:text}`coverage` of the repeats, and no interval below {glue:text}`fewest` images.

# %% tags=["hide-input"]
covered = coverage_.simulated_coverage(
    coverage_.standardised(validity.by_image(everything, metric)[shown] for metric in judged),
    seed=settings.seed[0],
    level=level,
)
reached = covered[covered["interval"] == "studentised bootstrap"]["reached"]
glue("coverage", f"{reached.iloc[0]:.1%}" if len(reached) else "–", display=False)
glue("fewest", intervals_.FEWEST, display=False)
tables.coverage(covered)

# %% [markdown]
# ## The methods on the models
#
# Means over images and models; beside them how many of a method's maps have no Coherency. Guided
# Grad-CAM guides ReLUs alone: through the GELUs of a ConvNeXt or Swin its backward pass is the plain gradient's.

# %% tags=["hide-input"]
by_method = maps.groupby("method", sort=False)
overview = by_method[measures].mean().map(tables.number, digits=2).rename(columns=labels)
overview["undefined"] = by_method["coherency"].agg(lambda one: int(one.isna().sum()))
overview.rename(index=labels.key_label).rename_axis(None)

# %% [markdown]
# ARCC by model, and the truth beside it where there is one:

# %% tags=["hide-input"]
both = {}
for metric in ["arcc", "cosine"] if known else ["arcc"]:
    both[labels[metric]] = maps.pivot_table(index="method", columns="model", values=metric, sort=False, dropna=False)
    both[labels[metric]] = both[labels[metric]].map(tables.number, digits=2).rename(columns=names)
pd.concat(both, axis=1).rename(index=labels.key_label).rename_axis(index=None, columns=[None, None])

# %% [markdown]
# ## Which metric follows the truth?
#
# {glue:text}`truth`
#
# The paper correlates each metric with the cosine and does not say over what. Three ways are possible, and they answer
# different questions. *Images of a method*: on which images does one method's map lie well? *Means of methods*: which
# method is best? *All maps*: both at once. AD and Complexity enter with their sign turned. A thick line is the mean over
# the models, the thin ones are single models; images are resampled whole, the same for every method and model.

# %% tags=["hide-input"]
found = validity.agreement(validity.directed(maps), maps["cosine"], settings.seed[0], resamples) if known else None
agreed = validity.correlations(found, "arcc", level) if known else pd.DataFrame()
glue("complete", found.maps if known else 0, display=False)
glue("incomplete", found.missing if known else len(maps), display=False)

# %% mystnb={"image": {"alt": "Forest plot of Pearson's correlation of the metrics with the cosine to the truth, a panel each for images of a method, means of methods and all maps; a thick line for the mean over models, thin ones for single models, with intervals."}} tags=["hide-input"]
charts.correlation_forest(agreed[agreed["kind"] == "pearson"], validity.WAYS, validity.EVERY) if known else None

# %% [markdown]
# Over {glue:text}`complete` maps; {glue:text}`incomplete` without a value of every metric are left out of all. As
# numbers, the mean over the models, Pearson's and Spearman's; without an interval where the resamples do not surround the
# value, as can happen to the correlation of few noisy means:

# %% tags=["hide-input"]
if known:
    over_models = agreed[agreed["model"] == validity.EVERY].replace({"way": validity.WAYS})
    shown = {kind.capitalize(): tables.intervals(one, "metric", "way", "value", 2) for kind, one in over_models.groupby("kind", sort=False)}  # fmt: skip
    display(pd.concat(shown).rename(index=signed))

# %% [markdown]
# The same for each model by itself:

# %% tags=["hide-input", "hide-output"]
if known:
    single = agreed[agreed["model"] != validity.EVERY].replace({"way": validity.WAYS, "model": names})
    shown = {(kind.capitalize(), model): tables.intervals(one, "metric", "way", "value", 2) for (kind, model), one in single.groupby(["kind", "model"], sort=False)}  # fmt: skip
    display(pd.concat(shown).rename(index=signed))

# %% tags=["hide-input"]
best = validity.ends(found, level=level) if known else pd.DataFrame()
answered = {HOLDS: "yes", CONTRADICTED: "no", comparison_.UNDECIDED: "undecided"}
claims = []
for way, label in validity.WAYS.items():
    highest, lowest = (best[(best["way"] == way) & (best["end"] == end)].iloc[0] if known else None for end in ("highest", "lowest"))  # fmt: skip
    for name, row in {"highest": highest, "lowest": lowest}.items():
        apart = "" if known and row["verdict"] == HOLDS else " (not told apart from every other)"
        whose = "ARCC's own" if known and row["metric"] == "arcc" else f"{signed[row['metric']]}'s" if known else "–"
        glue(f"{name}_{way}", f"{whose}{apart}" if known else "–", display=False)
    glue(f"lead_{way}", tables.number(highest["difference"], 2) if known else "–", display=False)
    if known:
        claims += [(f"ARCC has the highest correlation with the truth: {label}", answered[highest["claim"]]), (f"AD has the lowest: {label}", answered[lowest["claim"]])]  # fmt: skip

# %% [markdown]
# Over the images of a method the highest Pearson correlation is {glue:text}`highest_within`, the lowest
# {glue:text}`lowest_within`. Over the means of methods the highest is {glue:text}`highest_across`, the lowest
# {glue:text}`lowest_across`. Over all maps the highest is {glue:text}`highest_pooled`, the lowest
# {glue:text}`lowest_pooled`. A metric is told apart where it lies beyond every other, adjusted over all pairs (max-T). What
# is highest on one half of the images leads ARCC on the other half by {glue:text}`lead_within`,
# {glue:text}`lead_across` and {glue:text}`lead_pooled`, mean over random halves.
#
# ### By the size of the shape
#
# Does it depend on how large the shape is? Pearson's correlation over all maps of each
# size tier (images of each in the heading), and over the images of a method, mean over the models:

# %% tags=["hide-input"]
if known:
    of_tiers = validity.over_tiers(validity.directed(maps), maps["cosine"], settings.dataset, "arcc", level, settings.seed[0], resamples)  # fmt: skip
    of_tiers["tier"] = of_tiers["tier"] + " (" + of_tiers["images"].astype(str) + ")"
    over_all = of_tiers[(of_tiers["model"] == validity.EVERY) & (of_tiers["kind"] == "pearson")]
    shown = {label: tables.intervals(over_all[over_all["way"] == way], "metric", "tier", "value", 2) for way, label in validity.WAYS.items() if way != "across"}  # fmt: skip
    display(pd.concat(shown).rename(index=signed))

# %% [markdown]
# All three ways, both correlations, each model:

# %% tags=["hide-input", "hide-output"]
if known:
    apart = of_tiers.replace({"way": validity.WAYS, "model": names | {validity.EVERY: "mean"}})
    shown = {(kind.capitalize(), model, way): tables.intervals(one, "metric", "tier", "value", 2) for (kind, model, way), one in apart.groupby(["kind", "model", "way"], sort=False)}  # fmt: skip
    display(pd.concat(shown).rename(index=signed))

# %% [markdown]
# ## A truth that is measured: parts taken away
#
# {glue:text}`parts_truth`
#
# A shape's pixels are where the evidence should lie, not where a model found it. FunnyBirds
# {cite:p}`hesse2023funnybirds` asks the model: its classes differ by five parts, each
# of which can be taken out of the scene. *Completeness*: are the parts that a map marks enough for the class, and needed,
# and is nothing marked that the model can do without? *Correctness*: do the parts rank by the map as they rank by what the
# logit loses without each? *Contrastivity*: does the map move to the parts of the class it is asked about? The score is
# the mean of the three, and lies in [0, 1].

# %% tags=["hide-input", "remove-output"]
has_parts = parts_dataset is not None
if has_parts:
    parts_told = {"dataset": parts_dataset, "root": parts_root, "split": None, "backgrounds": None, "samples": parts_samples, "image_size": parts_image_size, "model": parts_model, "layer": None, "layers": None}  # fmt: skip
    parts_settings = read_settings({**told, **parts_told, "methods": [*real, *blind], "metrics": measures})
    parts_rows = settled(read_samples(run_benchmark(parts_settings, f"{results}/funnybirds")))
    parts_scores = part_scores(parts_settings, f"{results}/funnybirds_scores")

# %% tags=["hide-input"]
lacking = "No data set of parts is named: this section is left empty."
one_of = validity.FUNNYBIRDS
if has_parts:
    parts_maps = validity.maps_table(parts_rows, measures)
    parts_maps = parts_maps[parts_maps.index.get_level_values("method").isin(real)]
    parts_metrics = validity.directed(parts_maps).assign(cosine=parts_maps["cosine"])
    parts_both = parts_metrics.join(validity.parts_table(parts_scores)).dropna()
    lacking = "" if len(parts_both) else "No map here has a value of every metric and score; nothing is correlated."
    summed = part_summary(parts_scores).groupby(KEYS[3:], sort=False).mean()
    summed.index = [labels.method_label(*key) for key in summed.index]
    right = parts_scores.drop_duplicates("sample_id").eval("said == class_id")
    display(summed[[*one_of[1:], one_of[0]]].map(tables.number, digits=2).rename(columns={"funnybirds": "score"}))
glue("parts_truth", lacking or "The parts can be taken away here.", display=False)
glue("parts_dataset", parts_dataset or "–", display=False)
glue("parts_model", parts_model, display=False)
glue("parts_images", parts_scores["sample_id"].nunique() if has_parts else 0, display=False)
glue("parts_right", int(right.sum()) if has_parts else 0, display=False)
glue("parts_complete", len(parts_both) if has_parts else 0, display=False)
glue("parts_incomplete", len(parts_metrics) - len(parts_both) if has_parts else 0, display=False)

# %% [markdown]
# Means over {glue:text}`parts_images` images of {glue:text}`parts_dataset`, of which {glue:text}`parts_model` names
# {glue:text}`parts_right` rightly; the methods above, the maps that know nothing below. A map that does not depend on the
# class has no contrastivity to win; one that marks everything is complete by half.
#
# The metrics of the same maps against the score, beside the correlations with the cosine from above. Thick: the score;
# thin: its three parts, and the mean over the models of the cosine on {glue:text}`dataset`. Here the cosine, with the
# parts' pixels, is a metric among the others.

# %% tags=["hide-input"]
compared = bool(has_parts and len(parts_both))
titled = {name: name if name != "funnybirds" else "FunnyBirds score" for name in one_of}
beside = {titled[name]: validity.agreement(parts_both[list(parts_metrics)], parts_both[name], settings.seed[0], resamples) for name in one_of} if compared else {}  # fmt: skip
shown = [validity.correlations(one, "arcc", level).query("model == @validity.EVERY").assign(model=name) for name, one in beside.items()]  # fmt: skip
with_score = pd.concat(shown) if compared else pd.DataFrame()
shapes_beside = [agreed[agreed["model"] == validity.EVERY].assign(model=f"cosine, {settings.dataset}")] if known else []
forest = pd.concat([with_score, *shapes_beside]) if compared else None

# %% mystnb={"image": {"alt": "Forest plot of Pearson's correlation of the metrics with FunnyBirds' score and its three parts, and with the cosine on the single shapes, a panel each for images of a method, means of methods and all maps, with intervals."}} tags=["hide-input"]
charts.correlation_forest(forest[forest["kind"] == "pearson"], validity.WAYS, titled["funnybirds"]) if compared else None  # fmt: skip

# %% tags=["hide-input"]
if compared:
    of_score = with_score[with_score["model"] == titled["funnybirds"]].replace({"way": validity.WAYS})
    shown = {kind.capitalize(): tables.intervals(one, "metric", "way", "value", 2) for kind, one in of_score.groupby("kind", sort=False)}  # fmt: skip
    display(pd.concat(shown).rename(index=signed))
tops = validity.ends(beside[titled["funnybirds"]], among=validity.PAPER, level=level) if compared else None
for way, label in validity.WAYS.items():
    for end in ("highest", "lowest"):
        row = tops[(tops["way"] == way) & (tops["end"] == end)].iloc[0] if compared else None
        apart = "" if compared and row["verdict"] == HOLDS else " (not told apart from every other)"
        glue(f"parts_{end}_{way}", f"{signed[row['metric']]}{apart}" if compared else "–", display=False)
        if compared:
            claims.append((f"{'ARCC' if end == 'highest' else 'AD'} has the {end} correlation with FunnyBirds' score: {label}", answered[row["claim"]]))  # fmt: skip

# %% [markdown]
# Over {glue:text}`parts_complete` maps; {glue:text}`parts_incomplete` lack a metric's value or a score. Of the metrics
# the highest and the lowest correlation with the score have, over the images of a method, {glue:text}`parts_highest_within` and
# {glue:text}`parts_lowest_within`, over the means of methods, {glue:text}`parts_highest_across` and
# {glue:text}`parts_lowest_across`, over all maps, {glue:text}`parts_highest_pooled` and {glue:text}`parts_lowest_pooled`.
# A metric that changes sides between the two truths says as much of the truths as of the metric: the cosine asks where a
# map lies, the score what the model lost there.
#
# ## What a metric sees of a map's values
#
# ROAD ranks pixels: a map that is bent, so that every pixel keeps its rank, must keep its ROAD. Here one method's maps
# are bent in five ways, by a root, two powers, a sigmoid, and until their histogram is flat; first they are rounded to as
# many greys as no bend can merge. Maps of the faded image are bent likewise.

# %% tags=["hide-input"]
run = settings.runs()[0]
group = group_of(run, images[:few])
variants = validity.bent_methods(bent)
bends = validity.transformed(group, variants, measures if known else list(validity.PAPER))
drift = validity.moved(bends)
most = drift.groupby("metric")["most"].max()
glue("bent", labels.key_label(bent), display=False)
glue("bent_model", names[run.model[0]], display=False)
glue("bent_images", len(group.samples), display=False)
for metric in validity.PAPER:
    glue(f"most_{metric}", f"{most.get(metric, float('nan')):.2f}", display=False)
glue("road_moved", "not at all" if most["road"] == 0 else f"by up to {most['road']:.1e}", display=False)

# %% mystnb={"image": {"alt": "One image with its truth outlined, and one method's map of it as it is and under five monotone transforms."}} tags=["hide-input"]
bent_maps = {one.name: group.maps_of(one)[0][:1] for one in variants}
gallery(group.images[:1], group.target.truth[:1], bent_maps, [images[0]])

# %% tags=["hide-input"]
bends.pivot_table(index="method", columns="metric", values="value", sort=False).map(tables.number).rename(columns=labels).rename_axis(index=None, columns=None)  # fmt: skip

# %% [markdown]
# Means over {glue:text}`bent_images` images of {glue:text}`bent` on {glue:text}`bent_model`. ROAD moves
# {glue:text}`road_moved` on any of them; ARCC by up to {glue:text}`most_arcc`, ADCC by up to {glue:text}`most_adcc`, AD by up
# to {glue:text}`most_average_drop`. Whatever moves here can be won by scaling a map, without knowing more of the model;
# whatever does not is blind to how a map is scaled.
#
# ## A better composite?
#
# {glue:text}`truth`
#
# ARCC is one way to put its three parts together. Here it stands beside the parts, other means of them, fewer of them, and
# all four that ADCC and ARCC know. Pearson's correlation with the truth, mean over the models, with the difference to ARCC:

# %% tags=["hide-input"]
composites = validity.agreement(validity.with_composites(maps), maps["cosine"], settings.seed[0], resamples) if known else None  # fmt: skip
candidates = validity.correlations(composites, "arcc", level) if known else pd.DataFrame()
if known:
    every = candidates[(candidates["model"] == validity.EVERY) & (candidates["kind"] == "pearson")].replace({"way": validity.WAYS})  # fmt: skip
    values = every.pivot_table(index="metric", columns="way", values="value", sort=False).map(tables.number, digits=2)
    leads = every.drop(columns=["low", "high"]).rename(columns={"difference_low": "low", "difference_high": "high"})
    leads = tables.intervals(leads.rename(columns={"metric": "composite"}), "composite", "way", "difference", 2)
    shown = {way: pd.DataFrame({"r": values[way], "− ARCC's": leads[way]}) for way in validity.WAYS.values()}
    display(HTML(pd.concat(shown, axis=1).rename(index=signed).rename_axis(None).to_html(classes="wrap", border=0)))

# %% [markdown]
# The best of many candidates can look good by luck alone. So one is chosen on all models but one and scored on that one,
# each model once; the choice is made anew in every resample of the images. It takes two models or more.

# %% tags=["hide-input"]
nested = validity.nested(composites, "arcc", level) if known and len(settings.model) > 1 else pd.DataFrame()
glue("nested_rows", len(nested), display=False)
glue("nested_better", tables.off_zero(nested, "above") if len(nested) else 0, display=False)
glue("nested_worse", tables.off_zero(nested, "below") if len(nested) else 0, display=False)
chosen = [", ".join(f"{signed.get(name, name)} ({times})" for name, times in one.items()) for one in nested.get("chosen", [])]  # fmt: skip
HTML(pd.DataFrame({"correlation": nested["kind"].str.capitalize(), "over": nested["way"].map(validity.WAYS), "chosen (held-out models)": chosen, "ARCC": nested["baseline"].map(tables.number, digits=2), "chosen − ARCC": [tables.interval(*ends, 2, composites.images) for ends in nested[["difference", "low", "high"]].to_numpy()]}).to_html(index=False, classes="wrap", border=0)) if len(nested) else None  # fmt: skip

# %% [markdown]
# In {glue:text}`nested_better` of {glue:text}`nested_rows` rows the chosen composite beats ARCC on models it was not chosen
# on, with an interval wholly above 0; in {glue:text}`nested_worse` the interval lies wholly below.
#
# ## What was reproduced, and what was not
#
# The claims of the paper's sections 3.1 to 3.5, as these runs have them:

# %% tags=["hide-input"]
fools = {validity.FOOLS: "yes", validity.DOES_NOT_FOOL: "no", validity.UNDECIDED: "undecided"}
does_not = {validity.FOOLS: "no", validity.DOES_NOT_FOOL: "yes", validity.UNDECIDED: "undecided"}
stated = [
    *((f"The half map fools {titles[metric]}", fools[verdict.get(("half", metric), validity.UNDECIDED)]) for metric in ("average_drop", "adcc")),
    *((f"The half map does not fool {titles[metric]}", does_not[verdict.get(("half", metric), validity.UNDECIDED)]) for metric in ("road", "arcc")),
    ("ROAD is the same under a monotone transform of the map", "yes" if most["road"] == 0 else "no"),
    ("ARCC is not", "yes" if most["arcc"] > 0 else "no"),
    *claims,
]  # fmt: skip
answers = pd.DataFrame(stated, columns=["the paper's claim", "here"])
here = answers["here"].value_counts()
glue("held", f"{here.get('yes', 0)} of {len(answers)} ({here.get('undecided', 0)} undecided)", display=False)
HTML(answers.to_html(index=False, classes="wrap", border=0))

# %% [markdown]
# {glue:text}`held` hold. A row of the table is about means over models. What differs from the paper: the models and the number of images of this profile (see the
# [status page](status.ipynb)), procedural backgrounds in the place of the picture book's, ROAD with exactly as many
# pixels taken away as it says, where the published code takes more of a map with ties. *Fools*, the three ways, the tiers,
# the composites and the correlation with FunnyBirds' score are ours; the part-made figures are drawn here in FunnyBirds'
# layout. The published archive takes their place with `-p parts_dataset=funnybirds -p parts_root=...` and a classifier of
# its fifty classes as `-p parts_model=file.py:function`.
#
# The profile `paper` runs the paper's own models, fine-tuned by its recipe, on more images. Its figure of trivial maps
# is about ImageNet: the same page runs there on a folder of images a class, with
# `-p dataset=image_folder -p root=... -p model=resnet50`. Where no truth is known the sections that need one are left
# empty, and say so.
#
# **What we learnt.** On these {glue:text}`images` images the half map {glue:text}`half_average_drop`,
# {glue:text}`half_adcc`, {glue:text}`half_road` and {glue:text}`half_arcc`. The highest correlation with the truth is
# {glue:text}`highest_within` over the images of a method, {glue:text}`highest_across` over the means of methods and
# {glue:text}`highest_pooled` over all maps. A monotone transform moves ROAD {glue:text}`road_moved` and ARCC by up to
# {glue:text}`most_arcc`. A composite chosen on other models beats ARCC in {glue:text}`nested_better` of
# {glue:text}`nested_rows` rows by its interval.
