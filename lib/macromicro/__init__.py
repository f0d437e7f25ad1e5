"""Does the diversity of a fixed-size fine-tuning dataset make a better model, and at which granularity?"""
