"""The audit log: who did what, when, and with which result (audit.k8s.io/v1). Off unless there is a policy."""
