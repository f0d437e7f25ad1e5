"""What every room stands on: settings, presets, where outputs lie, and how a file is written whole.

In comes a preset, out go the settings of a study and the paths of all that it makes. Start reading at `settings`.
"""
