"""Builds: an image described in a Dockerfile, made step by step, each step once.

::

    dockerfile/   text -> instructions -> stages -> steps (pure; BuildKit's frontend 1.x)
    request.py    what a build is asked for, and what it tells while it works
    ops.py        what a step comes to when every variable is expanded

Behaviour follows BuildKit's Dockerfile reference; what is not offered is refused by name.
"""
