"""What a trace may keep of each step beside its loss: of the gradients gᵢ of the batch's b rows, of mean ḡ, and of the step.

    gradient_noise   tr Σ / ‖G‖², with Σ = Σᵢ(gᵢ − ḡ)(gᵢ − ḡ)ᵀ/(b − 1) and ‖G‖² = ‖ḡ‖² − tr Σ/b: the batch size from which larger
                     batches hardly help. inf where the batch shows no more than noise
    snr              the mean over parameters of ḡ²/σ², σ² the mean of (gᵢ − ḡ)²
    norm_test        (Σᵢ‖gᵢ‖²/‖ḡ‖² − b)/(b(b − 1)): the variance of ḡ over ‖ḡ‖²; above 0.9² a batch is called too small
    update_ratio     ‖θ_{t+1} − θ_t‖/‖θ_t‖; about 10⁻³ is called usual for a network

Rows' weights and the penalty's gradient are within gᵢ.
"""

from __future__ import annotations

from steepest.choices import Choice

QUANTITIES: dict[str, Choice] = {
    one.name: one
    for one in (
        Choice(
            "gradient_noise", "The noise of a row's gradient over the square of the gradient's length, in rows.",
            source="McCandlish et al., An empirical model of large-batch training (2018)",
        ),
        Choice(
            "snr", "The mean over parameters of the batch's squared gradient over the variance of its rows'.",
            source="Liu et al., Understanding why neural networks generalize well through GSNR of parameters (2020)",
        ),
        Choice(
            "norm_test", "The variance of the batch's gradient over the square of its length.",
            source="Byrd et al., Sample size selection in optimization methods for machine learning (2012)",
        ),
        Choice(
            "update_ratio", "The length of the step over the length of the parameters.",

            source="Schneider, Dangel and Hennig, Cockpit: a practical debugging tool for the training of deep neural networks "
            "(2021)",
        ),
    )
}  # fmt: skip
