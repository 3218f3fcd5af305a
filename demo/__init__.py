"""The main job, shown: `./dev demo` runs `python -m demo DIR`, with an instance of Corral running in DIR."""
