"""The base model, its fine-tuning, its answers, and how any language model is asked.

In come a base model, datasets and prompts, out go a checkpoint per dataset, its answers and the likelihood of the
references. Start reading at `finetune`.
"""
