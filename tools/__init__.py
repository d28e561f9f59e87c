"""Programs for developers: the local cluster, the demo. Nothing here is part of the operator."""
