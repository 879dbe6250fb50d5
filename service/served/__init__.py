"""Models as they are served: loaded, refreshed, uploaded, tried."""
