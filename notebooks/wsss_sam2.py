# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explainers as prompts: diagnose, then assist
#
# In this notebook, we ask what a classifier's attribution maps are worth to a segmenter. Weakly
# supervised segmentation takes them for labels; {cite:t}`prasad_rethinking` hold that a map shows
# what a decision rests on and not how far an object reaches, and propose a protocol: *diagnose* the
# explainers first (how much of the object they cover, how much they spill, whether they agree),
# then let them *assist*, by drawing points from a fused map and prompting SAM 2
# {cite:p}`ravi2024sam2` with these. Each explainer $k$ weighs in by its reliability on the image at
# hand,
#
# $$E = \sum_k w_k E_k, \qquad w_k \propto \text{consensus}_k \times \text{focus}_k \times \max(0, \text{robustness}_k),$$
#
# and from $E$'s highest pixels come foreground points, from its lowest background points.
#
# 1. Where do maps and masks part, on photographs, and on images chosen by rule?
# 2. Interpretability: what do the maps cover, and do they agree?
# 3. Utility: how good are the masks?
# 4. Which step of the protocol earns it: fusion, weights, background points, their number, their
#    share?
# 5. What of the gain is the segmenter's own prior?
# 6. Does an explainer that is better by one table do better by the other?
#
# What of a mask is due to the points, and what to a segmenter that has learnt what objects look
# like? Every prompt is also given to a random walker {cite:p}`grady2006random`, which knows nothing
# but this image's colours (ours).
#
# :::{admonition} In short
# On {glue:text}`n` images of {glue:text}`dataset`, {glue:text}`partial` of the maps miss some of the
# object, {glue:text}`spilling` of their supports reach outside of it, and the supports of two
# explainers overlap by an IoU of {glue:text}`agreement`: what a map marks is not the object's mask.
# Points drawn from the weighted fusion of {glue:text}`explainers` explainers' maps lead
# {glue:text}`segmenter` to an mIoU of {glue:text}`fused_iou`. That is {glue:text}`beside_uniform`
# what uniform points lead it to, which know no map (a difference of {glue:text}`over_uniform`), and
# {glue:text}`beside_mean` what the plain mean of the maps leads it to ({glue:text}`over_mean`). Of
# {glue:text}`checks` checks of the poster's recommendations {glue:text}`holding` hold,
# {glue:text}`violated` are violated and {glue:text}`untold` cannot be told from so many images. On
# {glue:text}`scene_n` images of {glue:text}`scene_dataset`, where {glue:text}`scene_segmenter` is
# at home, its mask gains {glue:text}`scene_weighted_gain` over the map's own support where the
# random walker gains {glue:text}`scene_weighted_control` from the same points: the share that is
# the segmenter's own prior is {glue:text}`scene_weighted_share`; checks that the two kinds of
# images decide to the contrary: {glue:text}`contrary`.
# :::

# %% mystnb={"code_prompt_show": "Show the parameters"} tags=["parameters", "hide-input"]
results = "results/wsss_sam2"  # a folder of finished results is read, any other is made
dataset = "single_shapes"
root = None
split = None
class_map = None  # of data of masks: the classifier's classes for the data's, or "predicted"
samples = 16  # of a run without a record
order = "shuffled"
image_size = 224
model = "shapes_vgg11"
layer = None  # of the CAMs; None takes the deepest of the model's stages
layers = None
scalar = "logit"  # that is explained; metrics see probabilities
methods = None  # None takes those of the registry that are this page's: the poster's explainers
controls = ["random", "random_smooth"]
surrogate_samples = 200  # images that LIME and KernelSHAP look at
steps = 50  # of Integrated Gradients, and images that VarGrad looks at
segmenters = ["shapes_sam2", "random_walker"]
threshold = 0.5  # from which on a pixel is of the map's support
thresholds = [0.1, 0.3, 0.5, 0.7, 0.9]
foreground = 5  # points
background = 5
top = 0.05  # share of the pixels that foreground points are drawn from
bottom = 0.05
apart = 8  # px between points
robustness = "stability_noise"  # the metric that is the weight's third part
counts = [1, 2, 4, 8, 16, 32]  # points of either kind that are tried
shares = [0.01, 0.02, 0.1, 0.2]
floor = 0.5  # leave out images that the classifier does not recognise
seed = 0
device = None
precision = "float32"
batch_size = None
workers = 0  # processes, or the address of a scheduler: tcp://...
pictured = ["gradcam", "scorecam", "integrated_gradients", "occlusion", "lime"]
pictures = 2
level = 0.95  # of the intervals
checked = 1  # samples that are computed again where a record stands
many_dataset = "voc"  # photographs to count over: recorded, or below many_root
many_root = None
many_split = "voc200"
many_class_map = "voc_imagenet"
many_samples = 100
many_model = "imagenet_mobilenet_v2"
many_left_out = ["scorecam"]  # a pass a channel, of which the classifier's deepest stage has 1280
foreign = "prompting_kvasir"  # a record of images for whose class the classifier has no name
photo_ids = ["chelsea", "coffee", "grace_hopper"]  # photographs that the page opens with
photo_model = "imagenet_mobilenet_v2"  # the classifier that names them
photo_layers = None  # shallow to deep, CAMs standing at the deepest; None takes its own stages
photo_methods = ["gradcam", "integrated_gradients", "lime", "random_smooth"]  # the last a control

# %% tags=["remove-cell"]
from segattr_lib.report.page import glue_facts, parameters
from segattr_lib.sections import wsss_sam2 as page

settings = page.read(parameters())
runs = page.run(settings)
glue_facts(page.facts(settings, runs))

# %% [markdown]
# ## Photographs: from maps to masks
#
# The classifier {glue:text}`photo_model` names {glue:text}`photo_said`. Above are maps of that
# class by several explainers, and one of smooth noise, which knows neither classifier nor
# photograph. White crosses are the points drawn from a map's highest pixels, red dots those from
# its lowest. Below, the masks that these give: first of a random walker, which knows nothing but
# the colours. The embedded `shapes_sam2` has learnt generated scenes alone, and photographs are
# out of its domain; wherever it stands, its masks show what such a prior does here, not what SAM 2
# would do.

# %% mystnb={"image": {"alt": "Photographs, each named by an ImageNet classifier with its probability; for several explainers and a map of noise the map with its cues, and below the masks that each segmenter makes of them."}, "figure": {"name": "fig-wsss-photos", "caption": "Photographs, each named by a classifier with its probability: maps of that class by several explainers and a map of noise, with the foreground points (white crosses) and background points (red dots) drawn from them, and below the masks that each segmenter makes of these."}} tags=["hide-input"]
page.photo_cues(runs.opening)

# %% [markdown]
# Photographs: {glue:text}`photo_credit`.
#
# More points or fewer, and the walker's mask of them, on the first photograph; the slider moves in
# the page, without a kernel.

# %% mystnb={"figure": {"name": "fig-wsss-slider", "caption": "A map of the first photograph with as many points of either kind as the slider says, white inside and red outside, and beside it the random walker's mask of them, outlined."}} tags=["hide-input"]
page.along_counts(settings, runs.opening)

# %% [markdown]
# Which mask is right, nobody has drawn. How far they agree can be told: the mean IoU of every two
# explainers' supports and masks, and of every explainer's with the noise's.

# %% mystnb={"figure": {"name": "tab-wsss-photos", "caption": "Mean IoU of the maps' supports and of each segmenter's masks, over every two explainers and over every explainer and the noise, a row a photograph and their mean last."}} tags=["hide-input"]
page.photo_agreement(runs.opening)

# %% [markdown]
# Over {glue:text}`photos` photographs two explainers share {glue:text}`photo_supports` of the union
# of their supports and {glue:text}`photo_walked` of the union of the walker's masks; with the mask
# of noise an explainer's shares {glue:text}`photo_walked_by_chance`. Agreement that noise reaches,
# too, says nothing of the object. To tell more, the true mask has to be known: of photographs that
# people have outlined, and of scenes that were drawn.
#
# ## What is explained, and the scope
#
# {glue:text}`explainers` explainers of the classifier {glue:text}`model`, CAMs at its layer
# {glue:text}`layer`, on {glue:text}`n` images of {glue:text}`dataset`: {glue:text}`basis`. The
# share of all images that it was asked about whose class it names rightly, with Wilson's
# {glue:text}`level` interval: {glue:text}`accuracy`. Beside it {glue:text}`other_explainers`
# explainers of {glue:text}`other_model` at {glue:text}`other_layer`, on {glue:text}`other_n` images
# of {glue:text}`other_dataset`: {glue:text}`other_basis`; named rightly:
# {glue:text}`other_accuracy`. The two are never pooled, and a table that has both names each. Left
# out everywhere are images that the classifier does not recognise, or of a class that it does not
# have; on photographs also {glue:text}`left_out`, which asks the model once a channel. Of
# {glue:text}`dataset` that are {glue:text}`skipped`.
#
# A map's support is where it reaches {glue:text}`threshold`.
# Prompts are {glue:text}`foreground` foreground points of the highest {glue:text}`top` of pixels
# and {glue:text}`background` background points of the lowest {glue:text}`bottom`,
# {glue:text}`apart` px or more apart; robustness is {glue:text}`robustness`.
#
# The segmenter that is assisted is {glue:text}`segmenter` on {glue:text}`dataset` (beside it
# {glue:text}`others`) and {glue:text}`other_segmenter` on {glue:text}`other_dataset`. Whatever a
# promptable segmenter other than the random walker has learnt of objects, it adds to every mask
# below: that is the scope. The embedded `shapes_sam2` has the architecture of SAM 2, but its prior
# is of drawn shapes: on photographs its masks are shown, and nothing is concluded from them.
#
# Other intervals are {glue:text}`level` studentised bootstrap intervals over images. A map that is
# constant gives no cues; its mask counts as an IoU of 0 (ours), as it did for {glue:text}`without`
# of {glue:text}`asked` prompts of {glue:text}`segmenter`.
#
# ## Misalignment
#
# Images of {glue:text}`scene_dataset` at evenly spaced ranks of how far their explainers agree,
# most first; the mean IoU of two supports stands at the left. Above the maps with their cues, white
# crosses inside and red dots outside; below the masks that {glue:text}`scene_segmenter` makes of
# these. The truth is outlined.

# %% mystnb={"image": {"alt": "Images with their truth outlined; for several explainers and their weighted fusion the map with its cues above, and the mask prompted by the cues below."}, "figure": {"name": "fig-wsss-misalignment", "caption": "Images of {glue:text}`scene_dataset` with their truth outlined, at evenly spaced ranks of how far explainers agree, most first: above, the maps of several explainers and their weighted fusion with their foreground points (white crosses) and background points (red dots); below, the masks that {glue:text}`scene_segmenter` makes of these."}} tags=["hide-input"]
page.misalignment(settings, runs.scenes)

# %% [markdown]
# ## Interpretability
#
# Coverage is the share of the object that the support covers, Spill the share of the support
# outside it, LA the pointing game, Effectiveness what the class loses of its probability when the
# support is filled with the image's mean. Spill is told where there is a support at all.

# %% mystnb={"figure": {"name": "tab-wsss-interpretability", "caption": "Coverage, Spill, LA (the pointing game) and Effectiveness of every map (rows) against the truth, means over images with {glue:text}`level` intervals."}} tags=["hide-input"]
page.interpretability(settings, runs)

# %% [markdown]
# The poster's takeaway measures coverage and spill against SAM 2's proxy mask, not the truth.
# Against the masks that each segmenter makes of the weighted fusion:

# %% mystnb={"figure": {"name": "tab-wsss-proxies", "caption": "Coverage and Spill of every map (rows) against the mask that each segmenter makes of the weighted fusion, in place of the truth: means over images with {glue:text}`level` intervals."}} tags=["hide-input"]
page.against_proxies(runs)

# %% [markdown]
# The support depends on its threshold, and with it both. A point of a curve is the mean over the
# images, whose interval at {glue:text}`threshold` stands in {numref}`tab-wsss-interpretability`:

# %% mystnb={"image": {"alt": "Coverage and spill of every explainer along the threshold of the support."}, "figure": {"name": "fig-wsss-threshold", "caption": "Coverage and Spill on {glue:text}`dataset` along the threshold from which on a pixel is of a map's support, a line an explainer: means over images."}} tags=["hide-input"]
page.along_the_threshold(settings, runs.first)

# %% [markdown]
# ### Do they agree?
#
# The mean IoU of two explainers' supports on one image:

# %% mystnb={"image": {"alt": "Heat map of the mean intersection over union of every two explainers' supports."}, "figure": {"name": "fig-wsss-overlaps", "caption": "Mean IoU over images of {glue:text}`dataset` of the supports of every two explainers (rows and columns); brighter is more."}} tags=["hide-input"]
page.overlaps(runs.first)

# %% [markdown]
# Over all pairs it is {glue:text}`agreement`. Reliability prefers explainers that agree with the
# others (consensus), that are concentrated (focus: 1 minus the normalised entropy) and that stay as
# they are when the image hardly changes (robustness). Each, and the weight that their product
# makes, on every image:

# %% mystnb={"image": {"alt": "Heat maps of consensus, focus, robustness and weight, explainers as rows and images as columns."}, "figure": {"name": "fig-wsss-reliability", "caption": "Consensus, focus, robustness and weight of every explainer (rows) on every image of {glue:text}`dataset` (columns), a panel each with its own scale; brighter is less, and blank is without a value."}} tags=["hide-input"]
page.reliability_by_image(runs.first)

# %% mystnb={"figure": {"name": "tab-wsss-reliability", "caption": "Consensus, focus, robustness and weight (columns) of every explainer (rows), means over images with {glue:text}`level` intervals."}} tags=["hide-input"]
page.reliability(runs)

# %% [markdown]
# {glue:text}`heaviest` weighs most; what weighs most on other images weighs
# {glue:text}`heaviest_weight`; alike, all would weigh {glue:text}`even_weight`.
#
# ## Utility
#
# Kept apart from the above: the mean IoU of masks with the truth. The map's own support; the mask
# of each segmenter prompted with its cues. Maps of random pixels are random points. The last rows
# know no map: the segmenter alone from the image's centre or from uniform points, and, the ceiling,
# from points of the truth.

# %% mystnb={"figure": {"name": "tab-wsss-utility", "caption": "mIoU with the truth of every way to a mask (rows), for the map's own support and for each segmenter's mask (columns), with {glue:text}`level` intervals over images; the last rows know no map, or are prompted from the truth."}} tags=["hide-input"]
page.utility(runs)

# %% mystnb={"image": {"alt": "Mean IoU of every way to a mask with intervals, a panel for the threshold and each segmenter."}, "figure": {"name": "fig-wsss-utility", "caption": "mIoU with the truth of every way to a mask on {glue:text}`dataset`, a panel each for the map's own support and each segmenter: dots are means over images with {glue:text}`level` intervals."}} tags=["hide-input"]
page.utility_rows(runs.first)

# %% mystnb={"image": {"alt": "Mean IoU of every way to a mask on the images that stand beside, with intervals, a panel for the threshold and each segmenter."}, "figure": {"name": "fig-wsss-utility-beside", "caption": "mIoU with the truth of every way to a mask on {glue:text}`other_dataset`, a panel each for the map's own support and each segmenter: dots are means over images with {glue:text}`level` intervals."}} tags=["hide-input"]
page.utility_rows(runs.second)

# %% [markdown]
# What if the classifier has never learnt what is to be outlined? The record {glue:text}`foreign` is
# of {glue:text}`foreign_n` images of {glue:text}`foreign_dataset`, too few for an interval, so that
# every image is shown. Explained is the class that the classifier takes each of them for, at a mean
# probability of {glue:text}`foreign_score`.

# %% mystnb={"figure": {"name": "tab-wsss-foreign", "caption": "IoU with the truth on each image (columns) of {glue:text}`foreign_dataset`, whose class the classifier has no name for, and their mean: the maps' own supports and the masks of each segmenter, by way to a mask (rows); the last rows know no map, or are prompted from the truth."}} tags=["hide-input"]
page.on_foreign(settings)

# %% [markdown]
# ## Which step earns it?
#
# Paired by image. The weighted fusion minus each explainer, minus the
# plain mean, without background points, as a box, and minus what knows no map. Blue where the
# sign-flip test, adjusted over the rows (Holm), tells the two apart at the level of the intervals.

# %% mystnb={"image": {"alt": "Forest plot of paired differences in IoU, the weighted fusion minus every other way to a mask, a panel a segmenter."}, "figure": {"name": "fig-wsss-steps", "caption": "Paired differences in IoU on {glue:text}`dataset`, the weighted fusion minus every other way to a mask (rows), a panel a segmenter: dots are means with {glue:text}`level` intervals, blue where the sign-flip test, adjusted over the rows, tells the two apart."}} tags=["hide-input"]
page.steps(settings, runs.first)

# %% mystnb={"image": {"alt": "Forest plot of paired differences in IoU on the images that stand beside, the weighted fusion minus every other way to a mask, a panel a segmenter."}, "figure": {"name": "fig-wsss-steps-beside", "caption": "Paired differences in IoU on {glue:text}`other_dataset`, the weighted fusion minus every other way to a mask (rows), a panel a segmenter: dots are means with {glue:text}`level` intervals, blue where the sign-flip test, adjusted over the rows, tells the two apart."}} tags=["hide-input"]
page.steps(settings, runs.second)

# %% [markdown]
# Over a single explainer the interval lies above 0 for {glue:text}`single_above` of
# {glue:text}`explainers` and below for {glue:text}`single_below`. The differences: weights minus
# the mean {glue:text}`over_mean`, with background points minus without
# {glue:text}`over_background`, points minus a box {glue:text}`over_box`, the map's points minus
# uniform ones {glue:text}`over_uniform`, and minus the points of the truth {glue:text}`over_truth`.
#
# How often does each kind of interval hold the true mean of differences that are shaped as this
# page's own: drawn with replacement from those of two methods less their mean? The page uses the
# studentised bootstrap, which held it in {glue:text}`coverage` of the repeats, and no interval
# below {glue:text}`fewest` images.

# %% mystnb={"figure": {"name": "tab-wsss-intervals", "caption": "Kinds of interval (rows) for mean differences shaped as this page's own, of n images each: what they promise (nominal), and how often they held the true mean in simulation (reached)."}} tags=["hide-input"]
page.interval_coverage(runs)

# %% [markdown]
# Along the number of points of either kind, and along the shares of pixels that they are drawn
# from; as many as fit are drawn.

# %% mystnb={"image": {"alt": "Mean IoU along the number of points for the mean and the weighted fusion, with interval bands."}, "figure": {"name": "fig-wsss-points", "caption": "mIoU on {glue:text}`dataset` along the number of points of either kind, a line each for the plain mean and the weighted fusion of the maps, a panel a segmenter: means over images with {glue:text}`level` bands."}} tags=["hide-input"]
page.along_points(settings, runs.first)

# %% mystnb={"image": {"alt": "Mean IoU along the share of pixels that points are drawn from for the mean and the weighted fusion, with interval bands."}, "figure": {"name": "fig-wsss-shares", "caption": "mIoU on {glue:text}`dataset` along the share of pixels that points are drawn from, a line each for the plain mean and the weighted fusion of the maps, a panel a segmenter: means over images with {glue:text}`level` bands."}} tags=["hide-input"]
page.along_shares(settings, runs.first)

# %% [markdown]
# ## What share of the gain is the segmenter's prior?
#
# On {glue:text}`scene_dataset`, where the segmenter is at home. The gain of a segmenter is the IoU
# of its mask minus that of the map's own support. The random walker gets the same cues and has
# learnt nothing, so that its gain comes from the cues and from this image's colours; what
# {glue:text}`scene_segmenter` gains beyond it is its prior:
#
# $$\text{share} = \frac{\text{IoU}_\text{segmenter} - \text{IoU}_\text{walker}}{\text{IoU}_\text{segmenter} - \text{IoU}_\text{threshold}},$$
#
# a ratio of means over images, below 0 where the walker gains more. Where the gain's interval does
# not lie above 0 there is nothing to share, and a dash stands there.

# %% mystnb={"figure": {"name": "tab-wsss-prior", "caption": "What {glue:text}`scene_segmenter` and the random walker gain in mIoU on {glue:text}`scene_dataset` over the map's own support from the same cues, a row a way to a mask, the difference of the two, and the share of the gain that is the segmenter's prior, with {glue:text}`level` intervals."}} tags=["hide-input"]
page.prior(runs.scenes)

# %% [markdown]
# For the weighted fusion {glue:text}`scene_segmenter` gains {glue:text}`scene_weighted_gain` over
# the threshold and the walker {glue:text}`scene_weighted_control`: the prior's share is
# {glue:text}`scene_weighted_share`. Does it matter what the walker is told of the outside? Without
# background points it takes the whole border of the image for the outside, and gains
# {glue:text}`scene_bare_control` where {glue:text}`scene_segmenter` gains
# {glue:text}`scene_bare_gain`: a share of {glue:text}`scene_bare_share`. These are two controls,
# and neither share is the one true one.
#
# The other group needs no walker: from uniform points, with no map at all,
# {glue:text}`scene_segmenter` has an mIoU of {glue:text}`scene_uniform_iou`; the fusion's cues have
# {glue:text}`scene_fused_iou`, a difference of {glue:text}`scene_over_uniform`, and random pixels
# as a map have {glue:text}`scene_random_iou`.
#
# ## Interpretability against utility
#
# Each explainer by what {numref}`tab-wsss-interpretability` says of it and by the masks that its
# cues prompt.

# %% mystnb={"image": {"alt": "Scatter of explainers: coverage, spill and effectiveness against mean IoU, with intervals both ways."}, "figure": {"name": "fig-wsss-gaps", "caption": "Explainers on {glue:text}`dataset` by Coverage, Spill and Effectiveness (a panel each) and by the mIoU of the masks that their cues prompt: dots are means over images with {glue:text}`level` intervals both ways."}} tags=["hide-input"]
page.gaps(settings, runs.first)

# %% mystnb={"figure": {"name": "tab-wsss-ranks", "caption": "Spearman's correlation over explainers of each measure of interpretability (rows) with the mIoU of the masks that their cues prompt, with {glue:text}`level` intervals of resampled images."}} tags=["hide-input"]
page.rank_correlations(settings, runs)

# %% [markdown]
# Spearman's correlation over the explainers' means, with the percentile interval of resampled
# images.
#
# ## The checklist, for these images and this classifier
#
# Each of the poster's recommendations as something that can be measured. It *holds* where the whole
# interval lies on the side that bears it out, is *violated* where it lies on the other side, and
# else cannot be told from so many images. The best explainer is one that was chosen on other
# images; there the fusion has to lie above every explainer, or one of them above it, adjusted over
# all pairs (max-T). Other images, another classifier and another segmenter fill in the same table
# (see the parameters above).

# %% mystnb={"figure": {"name": "tab-wsss-checklist", "caption": "The poster's recommendations, each with its checks (rows): what was measured with its {glue:text}`level` interval, the side that bears the recommendation out (wanted), the number n of images, and the verdict."}} tags=["hide-input"]
page.checklist(runs)

# %% [markdown]
# Of {glue:text}`checks` checks {glue:text}`holding` hold, {glue:text}`violated` are violated and
# {glue:text}`untold` cannot be told on {glue:text}`dataset`; on {glue:text}`other_dataset`
# {glue:text}`other_holding`, {glue:text}`other_violated` and {glue:text}`other_untold`. To the
# contrary: {glue:text}`contrary`.
#
# ## The poster's Table 2 beside ours
#
# The numbered columns are the poster's, ResNet-50 on three data sets; its text does not say which
# is which. The order of its list of data sets, and the mIoU on VOC that it tells elsewhere, suggest
# {glue:text}`inferred`.

# %% mystnb={"figure": {"name": "tab-wsss-poster", "caption": "mIoU, Effectiveness and LA of each method (rows) on {glue:text}`dataset`, ours beside the numbered columns of the poster's Table 2."}} tags=["hide-input"]
page.beside_poster(settings, runs.first)

# %% [markdown]
# ## What was reproduced, and what was not
#
# - *Coverage is often partial, and spill common*: {glue:text}`partial` of the maps miss some of the
#   object, and {glue:text}`spilling` of the supports reach outside. Against the proxy mask Grad-CAM
#   covers {glue:text}`gradcam_covers` here, {glue:text}`paper_covers` on VOC in the poster; LIME
#   spills {glue:text}`lime_spills` and KernelSHAP {glue:text}`shap_spills`, where the poster has
#   {glue:text}`paper_spills` or more.
# - *Low overlap of explainers*: this {glue:text}`overlaps` here, at {glue:text}`agreement`.
# - *Maps as prompts improve masks*: this {glue:text}`assists` under {glue:text}`segmenter` on
#   {glue:text}`dataset`, and {glue:text}`other_assists` under {glue:text}`other_segmenter` on
#   {glue:text}`other_dataset`. The poster's {glue:text}`paper_voc` on VOC is of another segmenter,
#   classifier and data.
# - *Success comes from the segmenter*: that {glue:text}`scene_segmenter` does better than the
#   walker on the same cues of {glue:text}`scene_dataset` {glue:text}`scene_declares`; the prior's
#   share of the gain is {glue:text}`scene_weighted_share`, and {glue:text}`scene_bare_share`
#   without background points.
# - *The weighted fusion leads*: in the poster's own Table 2 it has the highest mIoU in
#   {glue:text}`paper_leads` of {glue:text}`paper_columns` columns; here it is number
#   {glue:text}`fused_rank` of {glue:text}`ranked`. That weights are better than the mean
#   {glue:text}`weighs`, that background points help {glue:text}`grounds`.
#
# The poster has ResNet-50 and SAM 2; data, classifier and segmenter here are those of this profile
# (see the [status page](status.ipynb)), and the poster lists LA under both tables, we under
# interpretability. Ours are the random walker and the share of the prior, the intervals, the IoU of
# 0 where there are no cues, and the checklist as a function of the data.
#
# :::{admonition} What to trust
# :class: important
# A gain over uniform points, which know no map; and of a mask under a learnt segmenter only what the
# walker, which learnt nothing, does not get from the same points. *Cannot be told* is about the
# number of images, not about the recommendation. The embedded `shapes_sam2` is at home on drawn
# shapes: on photographs its masks are shown, and nothing is concluded from them. {term}`Coverage` and
# {term}`Spill` say nothing of a mask's worth until both are measured.
# :::
#
# ::::{admonition} What to try
# :class: tip
# - Move the slider of {numref}`fig-wsss-slider`: when do more points stop helping?
# - Prompt with a single point of either kind:
#
#   ```sh
#   .venv/bin/segattr execute wsss_sam2 -p foreground=1 -p background=1 \
#       -p samples=3 -p results=results/points -o points.ipynb
#   ```
# - Bring a segmenter of your own, see [Bring your own](../own.md).
# - Compute samples again: `.venv/bin/segattr verify prompting_scenes --samples 3`.
# ::::
#
# **What we learnt.** On these {glue:text}`n` images of {glue:text}`dataset` the weighted fusion's
# cues prompt {glue:text}`segmenter` to an mIoU of {glue:text}`fused_iou`; points that know no map
# to one of {glue:text}`uniform_iou`, a difference of {glue:text}`over_uniform`. Of
# {glue:text}`checks` checks {glue:text}`holding` hold, {glue:text}`violated` are violated and
# {glue:text}`untold` cannot be told from so many images. On {glue:text}`scene_dataset` the prior's
# share of the gain over the map itself is {glue:text}`scene_weighted_share` by a walker with
# background points and {glue:text}`scene_bare_share` by one without.
