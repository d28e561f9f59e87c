"""The dashboard: which panels it has, as Grafana reads it, and as a picture for the docs."""
