"""Admission: what may change or refuse a write after authorization. An explicit list of plugins, asked in order."""
