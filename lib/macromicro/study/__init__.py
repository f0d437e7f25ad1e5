"""What every room stands on: settings, presets, where outputs lie, and what a run leaves behind."""
