"""Wire types: what requests and replies look like, and nothing else.

Strict: no key is ignored, no text is taken for a number. Whether a value fits the model is
not known here; ``ifonly.service.ask.read_request`` asks the model's schema.
"""
