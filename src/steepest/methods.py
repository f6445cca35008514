"""The methods of a `Fit` that are made elsewhere: pictures, reports, scripts, folders, inference.

Each function is imported when its method is first called; see `lazy.delegated`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steepest.lazy import delegated


class Methods:
    """What a `Fit` inherits."""

    if TYPE_CHECKING:
        from steepest.analysis.rate_table import curvature
        from steepest.analysis.sharpness import sharpness
        from steepest.cross_validation import cross_validate
        from steepest.export import to_python
        from steepest.export.onnx_model import to_onnx
        from steepest.export.pipeline import to_sklearn
        from steepest.inference.curves import thresholds
        from steepest.inference.intervals import intervals as _intervals
        from steepest.inference.summary import summary
        from steepest.lab.opened import lab
        from steepest.plots.curves import calibration, precision_recall, roc
        from steepest.plots.diagnostics import coefficients, influence, scale_location, variance_inflation
        from steepest.plots.effects import partial_dependence, permutation_importance
        from steepest.plots.film.encode import animate
        from steepest.plots.loss_curve import loss_curve
        from steepest.plots.parameters import parameters, path3d
        from steepest.plots.predictions import plot
        from steepest.plots.residuals import residuals
        from steepest.plots.surface.draw import surface
        from steepest.remedy_trial import diagnosed as _examined
        from steepest.report import report
        from steepest.storage.run_folder import save
        from steepest.streamed_scores import objective_over as _over_stream
    else:
        curvature = delegated("steepest.analysis.rate_table:curvature")
        sharpness = delegated("steepest.analysis.sharpness:sharpness")
        cross_validate = delegated("steepest.cross_validation:cross_validate")
        to_python = delegated("steepest.export:to_python")
        to_onnx = delegated("steepest.export.onnx_model:to_onnx")
        to_sklearn = delegated("steepest.export.pipeline:to_sklearn")
        thresholds = delegated("steepest.inference.curves:thresholds")
        _intervals = delegated("steepest.inference.intervals:intervals")
        summary = delegated("steepest.inference.summary:summary")
        lab = delegated("steepest.lab.opened:lab")
        calibration = delegated("steepest.plots.curves:calibration")
        precision_recall = delegated("steepest.plots.curves:precision_recall")
        roc = delegated("steepest.plots.curves:roc")
        coefficients = delegated("steepest.plots.diagnostics:coefficients")
        influence = delegated("steepest.plots.diagnostics:influence")
        scale_location = delegated("steepest.plots.diagnostics:scale_location")
        variance_inflation = delegated("steepest.plots.diagnostics:variance_inflation")
        partial_dependence = delegated("steepest.plots.effects:partial_dependence")
        permutation_importance = delegated("steepest.plots.effects:permutation_importance")
        animate = delegated("steepest.plots.film.encode:animate")
        loss_curve = delegated("steepest.plots.loss_curve:loss_curve")
        parameters = delegated("steepest.plots.parameters:parameters")
        path3d = delegated("steepest.plots.parameters:path3d")
        plot = delegated("steepest.plots.predictions:plot")
        residuals = delegated("steepest.plots.residuals:residuals")
        surface = delegated("steepest.plots.surface.draw:surface")
        _examined = delegated("steepest.remedy_trial:diagnosed")
        report = delegated("steepest.report:report")
        save = delegated("steepest.storage.run_folder:save")
        _over_stream = delegated("steepest.streamed_scores:objective_over")
