"""The Docker Engine API, versions 1.24 to 1.51: one module for each thing that the API speaks of.

`routes` lists every operation; `app` finds the one that a request asks for, and turns errors into answers.
"""
