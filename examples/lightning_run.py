"""A run of Lightning's recorded by a callback, and looked at as a fit: its curve, its surface, what is wrong with it.

make examples
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import steepest as st


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-4)


L.seed_everything(0, verbose=False)
x = torch.randn(600, 10)
y = x[:, :3].argmax(1)
loader = DataLoader(TensorDataset(x[:500], y[:500]), batch_size=50, shuffle=True)

model = Classifier()
recorder = st.Recorder(model, "cross_entropy")
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
L.Trainer(max_epochs=8, accelerator="cpu", callbacks=[recorder.lightning_callback()], **quiet).fit(model, loader)

fit = recorder.fit(loader, test=(x[500:], y[500:]))
print(f"{fit.optimizer}, lr {fit.lr:g}: {fit.steps} steps, loss {fit.trace.objective[0]:.3f} → {fit.loss:.3f}")
for finding in fit.diagnose().found[:1]:
    print(f"{finding.code}: {finding.what} Try {finding.python}.")
with tempfile.TemporaryDirectory() as folder:
    page = fit.report(Path(folder, "lightning.html"))
    print("one page with its pictures:", Path(page).name)
