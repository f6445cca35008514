"""What is fitted: tables, models, losses, batches."""
