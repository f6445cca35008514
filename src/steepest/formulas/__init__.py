"""Each loss, rule, schedule and penalty once: its name, its numbers, one sentence, and its formula, elementwise.

Nothing heavy is imported here: the command's help, the settings, PyTorch's objectives, the compiled kernels, the theory
and the exported scripts all read these registries.
"""
