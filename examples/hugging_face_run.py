"""A run of Hugging Face's Trainer recorded by a callback: a small BERT, started at random, learns which token a text holds.

make examples
"""

from __future__ import annotations

import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import steepest as st

torch.manual_seed(0)
ids = torch.randint(0, 30, (256, 6))
labels = (ids == 7).any(1).long()
rows = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]

size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
model = BertForSequenceClassification(BertConfig(vocab_size=30, max_position_embeddings=8, num_labels=2, **size))

recorder = st.Recorder(model, "cross_entropy")
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder, num_train_epochs=6, per_device_train_batch_size=32, learning_rate=5e-3, report_to="none", use_cpu=True,
        save_strategy="no", disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    Trainer(model, arguments, train_dataset=rows, callbacks=[recorder.transformers_callback()]).train()

fit = recorder.fit(ids, labels)
rates = fit.trace.lr
print(f"{fit.steps} steps in {fit.epochs} epochs, lr {rates[0]:.1e} → {rates[-1]:.1e}")
print(f"loss {fit.trace.objective[0]:.3f} → {fit.loss:.3f}, accuracy {fit.metrics['train']['accuracy']:.2f}")
