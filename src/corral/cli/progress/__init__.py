"""How a build is watched: the same events as a picture that is drawn over, as plain lines, or as JSON.

::

    work.py      what is known of each piece of work (pure)
    paint.py     the picture for a terminal (pure)
    live.py      … drawn over and over
    plain.py     lines, for logs and pipes
    raw.py       JSON, for programs
    ending.py    what is said of a failure, and of warnings
"""
