"""CEL, the language of rules and policies: compiled and run by a library, with Kubernetes' functions and limits."""
