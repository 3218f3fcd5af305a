"""Builds: an image described in a Dockerfile, made step by step, each step once.

::

    dockerfile/   text -> instructions -> stages -> steps (pure; BuildKit's frontend 1.x)
    ignore.py     what .dockerignore leaves out; globpath.py its patterns, paths.py paths as text
    excerpt.py    the lines that an error is about
    request.py    what a build is asked for, and what it tells while it works
    ops.py        what a step comes to when every variable is expanded

Behaviour follows BuildKit's Dockerfile reference; what is not offered is refused by name.
"""
