"""The base model, its fine-tuning, its answers, and how any language model is asked."""
