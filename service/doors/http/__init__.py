"""The native API over HTTP: routes, and what surrounds every request."""
