"""Adapters to other frameworks. Each needs its extra; nothing else of veilsum imports them."""
