"""The kubelet's HTTPS server (upstream's port 10250): streams of pods, what they use, and how the kubelet does.

::

    who asks? (certificate, token)  ->  may they? (SubjectAccessReview)  ->  the handler of the path
"""
