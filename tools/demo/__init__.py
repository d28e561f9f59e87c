"""`make demo`: a control plane, the operator and an example, ready to look at."""
