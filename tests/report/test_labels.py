"""What pages call methods: names that are read, not typed."""

from __future__ import annotations

from segattr_lib.report.labels import key_label, method_label, short_labels


def test_a_method_made_of_anothers_maps_is_called_by_that_one():
    assert key_label("refinecam(base=gradcam_plus_plus)") == "RefineCAM of Grad-CAM++"
    fused = "refinecam(base=layercam, fuse=geometric_mean)"
    assert key_label(fused) == "RefineCAM of LayerCAM (fuse=geometric mean)"
    assert method_label("refinecam", "base=layercam") == "RefineCAM of LayerCAM"


def test_options_stand_behind_the_label_and_a_layer_as_the_model_has_it():
    assert [key_label("ria"), key_label("ria(grid=7)")] == ["RIA", "RIA (grid=7)"]
    assert key_label("ria(fill=other_image, grid=7)") == "RIA (fill=other image, grid=7)"
    assert key_label("gpa(layer=backbone.layer_4)") == "GPA (layer=backbone.layer_4)"


def test_options_are_left_out_where_nothing_else_has_the_label():
    keys = ["ria(grid=7)", "dea(alpha=0.5)", "dea(alpha=0.8)"]
    assert list(short_labels(keys).values()) == ["RIA", "DEA (alpha=0.5)", "DEA (alpha=0.8)"]
