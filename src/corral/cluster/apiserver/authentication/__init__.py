"""Who is it? Client certificates, bearer tokens of all kinds, proxies that speak for others, and nobody at all.

Each way of proving oneself is one file; `chain.py` asks them in turn. What fails is told to the client as 401
"Unauthorized" and no more; why it failed is in the log (and in a TokenReview's status).
"""
