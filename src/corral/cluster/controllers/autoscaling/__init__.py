"""HorizontalPodAutoscaler: as many pods as their work asks for."""
